"""The seam to the outside world: the one place where models are called.

    settings            what a run file says about a model
    seam                `Model`, the protocol, and `connect`, which opens one
    openai_compatible   any service that speaks OpenAI's chat completions
    transport           its HTTP, on aiohttp
    dialect             where services differ
    providers           presets by name, from providers.yaml
    local_…             a GGUF file, served in a process of its own
    images              pictures in files, as `data:` URLs
    usage               the tokens that an answer reports
    failures            every failure as data, and which may be tried again
    pocket              the embedded model: no key, no network
    pricing             USD and tokens: what an answer cost, what a call may cost at most

One attempt, and its time limit, live here; retries and concurrency are `runtime`'s part.
"""

from promptlathe.models.images import embed
from promptlathe.models.pricing import Price, Prices, check_prices, cost, worst_case
from promptlathe.models.seam import Model, check_key, connect
from promptlathe.models.settings import ModelSettings

__all__ = [
    "Model",
    "ModelSettings",
    "Price",
    "Prices",
    "check_key",
    "check_prices",
    "connect",
    "cost",
    "embed",
    "worst_case",
]
