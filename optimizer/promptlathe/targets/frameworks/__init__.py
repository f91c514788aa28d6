"""Objects of LangChain, LlamaIndex and DSPy: their prompts as a space, themselves as target.

    dialects    their template languages, read into `{{ name }}` and written back
    texts       the texts of an object, and where a candidate's differ
    opening     the space of an object: frozen, but for the texts that are named
    target      an object as target: a copy with the candidate's texts runs each row
    langchain, llama_index, dspy    one adapter each
    predict     a function that formats MLflow's registered prompts
    http        the calls of such a function, taken on their way

None of the frameworks is imported before an object of it is given.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from promptlathe.errors import InputError
from promptlathe.records import Prompt
from promptlathe.space import SearchSpace
from promptlathe.targets.frameworks.opening import space_of
from promptlathe.targets.frameworks.predict import from_mlflow
from promptlathe.targets.frameworks.target import Adapter, Call, FrameworkTarget
from promptlathe.targets.frameworks.texts import changed

PACKAGES = {"langchain": "langchain_core", "llama-index": "llama_index.core", "dspy": "dspy"}
"""What each extra brings."""
NAMES = {"langchain": "LangChain", "llama-index": "LlamaIndex", "dspy": "DSPy"}
Vary = Sequence[str] | Mapping[str, Any]


def from_langchain(
    chain: Any, *, vary: Vary = (), components: Mapping[str, Any] | None = None
) -> SearchSpace:
    """The space of a LangChain chain or prompt; all of its texts are frozen but those of `vary`.

    vary: `["system"]`, texts that may be rewritten; or `{"system": pl.Choice([…])}`, or
    `{"system": "{{ role }} Answer briefly."}` with the component `role` in `components`. With
    several prompts a name is `<prompt>.<text>`. Raises InputError.
    """
    return _space("langchain", chain, vary, components)


def from_llama_index(
    module: Any, *, vary: Vary = (), components: Mapping[str, Any] | None = None
) -> SearchSpace:
    """The space of what has `get_prompts()` in LlamaIndex, or of one of its prompts; else as
    `from_langchain`."""
    return _space("llama-index", module, vary, components)


def from_dspy(
    module: Any, *, vary: Vary = (), components: Mapping[str, Any] | None = None
) -> SearchSpace:
    """The space of a DSPy module: the instructions and demos of its predictors; else as
    `from_langchain`."""
    return _space("dspy", module, vary, components)


def calling(given: Any, use: Call) -> FrameworkTarget:
    """A framework's object as target, with how it is used for a row.

        target=pl.calling(engine, lambda engine, row: engine.query(row["question"]))

    Raises InputError.
    """
    if not callable(use):
        raise InputError("`calling` needs a function", "target", "write lambda object, row: …")
    return target_of(given, use)


def is_framework(given: Any) -> bool:
    """True for an object of one of the frameworks."""
    return _extra_of(given) is not None


def target_of(given: Any, use: Call | None = None) -> FrameworkTarget:
    """An object as target. Raises InputError when it is of no framework."""
    extra = _extra_of(given)
    if extra is None:
        raise InputError(
            f"{type(given).__name__} is no object of {', '.join(NAMES.values())}",
            "target",
            "give a function f(row, prompts, llm), or one of their objects",
        )
    return FrameworkTarget(given, _adapter(extra, "target"), use)


def applied(given: Any, prompts: Mapping[str, Prompt]) -> Any:
    """A copy of the object with these prompts; it keeps its models. Raises InputError."""
    adapter = target_of(given).adapter
    try:
        return adapter.made(given, changed(adapter.found(given), prompts), None)
    except ValueError as error:
        raise InputError(
            str(error), "apply", "give the object that the space was made from"
        ) from None


def _space(extra: str, given: Any, vary: Vary, components: Mapping[str, Any] | None) -> SearchSpace:
    where = f"from_{extra.replace('-', '_')}"
    adapter = _adapter(extra, where)
    if _extra_of(given) != extra:
        raise InputError(
            f"{type(given).__name__} is no object of {NAMES[extra]}",
            where,
            "give a chain or prompt",
        )
    return space_of(adapter.found(given), vary, components, where=where)


def _extra_of(given: Any) -> str | None:
    """The framework that made the object's class, or one of its bases."""
    roots = {base.__module__.partition(".")[0] for base in type(given).__mro__}
    packages = {package.partition(".")[0]: extra for extra, package in PACKAGES.items()}
    return next((packages[root] for root in roots if root in packages), None)


def _adapter(extra: str, where: str) -> Adapter:
    package = PACKAGES[extra]
    if package not in sys.modules and not _there(package):
        raise InputError(
            f"{NAMES[extra]} is not installed", where, f"pip install 'promptlathe[{extra}]'"
        )
    module = import_module(f"promptlathe.targets.frameworks.{extra.replace('-', '_')}")
    return module.ADAPTER


def _there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False


__all__ = [
    "FrameworkTarget",
    "applied",
    "calling",
    "from_dspy",
    "from_langchain",
    "from_llama_index",
    "from_mlflow",
    "is_framework",
    "target_of",
]
