"""promptlathe: automated prompt optimization.

    import promptlathe as pl

    space = pl.SearchSpace(messages=…, components={"role": pl.Choice([…])})
    objective = pl.Objective("tickets.jsonl", scorer=pl.exact_match("label"))
    result = pl.optimize(space, objective, model="pocket", budget=pl.Budget(calls=1000))

Names are loaded when they are first used: importing promptlathe imports nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlathe.api import optimize
    from promptlathe.drafting import init
    from promptlathe.genai import PromptlatheOptimizer
    from promptlathe.job.rendering import render
    from promptlathe.records import Budget
    from promptlathe.scoring import Objective, exact_match
    from promptlathe.space import Choice, Demos, Float, Int, SearchSpace, Text
    from promptlathe.targets import target
    from promptlathe.targets.frameworks import (
        calling,
        from_dspy,
        from_langchain,
        from_llama_index,
        from_mlflow,
    )

__all__ = [
    "Budget",
    "Choice",
    "Demos",
    "Float",
    "Int",
    "Objective",
    "PromptlatheOptimizer",
    "SearchSpace",
    "Text",
    "calling",
    "exact_match",
    "from_dspy",
    "from_langchain",
    "from_llama_index",
    "from_mlflow",
    "init",
    "optimize",
    "render",
    "target",
]

_HOMES = {
    "optimize": "api",
    "init": "drafting",
    "PromptlatheOptimizer": "genai",
    "render": "job.rendering",
    "Objective": "scoring",
    "exact_match": "scoring",
    "Budget": "records",
    "target": "targets",
    **dict.fromkeys(
        ("calling", "from_dspy", "from_langchain", "from_llama_index", "from_mlflow"),
        "targets.frameworks",
    ),
    **dict.fromkeys(("SearchSpace", "Choice", "Text", "Demos", "Float", "Int"), "space"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'promptlathe' has no attribute {name!r}")
    value = getattr(import_module(f"promptlathe.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
