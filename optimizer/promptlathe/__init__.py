"""promptlathe: automated prompt optimization.

    import promptlathe as pl

    space = pl.SearchSpace(messages=…, components={"role": pl.Choice([…])})
    objective = pl.Objective("tickets.jsonl", scorer=pl.exact_match("label", parse="label"))
    result = pl.optimize(space, objective, model="pocket", budget={"calls": 1000})

Names are loaded when they are first used: importing promptlathe imports nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from promptlathe.api import optimize
    from promptlathe.data.splits import Splits
    from promptlathe.drafting import init
    from promptlathe.genai import PromptlatheOptimizer
    from promptlathe.job.rendering import render
    from promptlathe.notebook import Result, load_result
    from promptlathe.records import Budget
    from promptlathe.scoring import (
        Objective,
        abstain,
        banned,
        chrf,
        citations,
        compare,
        contains,
        exact_match,
        function,
        grounded,
        json_match,
        json_schema,
        judge,
        language,
        length,
        numeric,
        questions,
        readability,
        regex,
        required,
        rouge,
        similarity,
        tests,
        token_f1,
        tool_call,
    )
    from promptlathe.space import (
        Choice,
        Contexts,
        Demos,
        Float,
        Int,
        Order,
        Retrieve,
        SearchSpace,
        Text,
    )
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
    "Contexts",
    "Demos",
    "Float",
    "Int",
    "Objective",
    "Order",
    "PromptlatheOptimizer",
    "Result",
    "Retrieve",
    "SearchSpace",
    "Splits",
    "Text",
    "abstain",
    "banned",
    "calling",
    "chrf",
    "citations",
    "compare",
    "contains",
    "exact_match",
    "from_dspy",
    "from_langchain",
    "from_llama_index",
    "from_mlflow",
    "function",
    "grounded",
    "init",
    "json_match",
    "json_schema",
    "judge",
    "language",
    "length",
    "load_result",
    "numeric",
    "optimize",
    "questions",
    "readability",
    "regex",
    "render",
    "required",
    "rouge",
    "similarity",
    "target",
    "tests",
    "token_f1",
    "tool_call",
]

_ELSEWHERE = {
    "optimize": "api",
    "Splits": "data.splits",
    "init": "drafting",
    "PromptlatheOptimizer": "genai",
    "render": "job.rendering",
    "Budget": "records",
    "target": "targets",
    **dict.fromkeys(("Result", "load_result"), "notebook"),
    **dict.fromkeys(
        ("calling", "from_dspy", "from_langchain", "from_llama_index", "from_mlflow"),
        "targets.frameworks",
    ),
    **dict.fromkeys(
        (
            "Choice",
            "Contexts",
            "Demos",
            "Float",
            "Int",
            "Order",
            "Retrieve",
            "SearchSpace",
            "Text",
        ),
        "space",
    ),
}
"""The modules of what is not from `scoring`."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("promptlathe.version").version()
    elif name in __all__:
        home = _ELSEWHERE.get(name, "scoring")
        value = getattr(import_module(f"promptlathe.{home}"), name)
    else:
        raise AttributeError(f"module 'promptlathe' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
