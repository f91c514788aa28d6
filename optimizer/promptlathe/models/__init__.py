"""The seam to the outside world: the one place where models are called.

    settings            what a run file says about a model
    seam                `Model`, the protocol, and `connect`, which opens one
    openai_compatible   any service that speaks OpenAI's chat completions
    transport           its HTTP, on aiohttp
    failures            every exception of the libraries below, as a `Failure`
    pocket              the embedded model: no key, no network
    pricing             USD and tokens: what an answer cost, what a call may cost at most

Time limits and retries live here; how many calls are sent at once is the engine's part.
"""

from promptlathe.models.pricing import Price, Prices, cost, worst_case
from promptlathe.models.seam import Model, check_key, connect
from promptlathe.models.settings import ModelSettings

__all__ = [
    "Model",
    "ModelSettings",
    "Price",
    "Prices",
    "check_key",
    "connect",
    "cost",
    "worst_case",
]
