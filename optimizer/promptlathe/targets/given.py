"""What a user gives as target: a function, or an object of a framework."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from promptlathe.documents import describe
from promptlathe.errors import InputError
from promptlathe.space import SearchSpace
from promptlathe.targets.frameworks import FrameworkTarget, is_framework, target_of
from promptlathe.targets.frameworks.predict import PredictTarget, is_predict
from promptlathe.targets.function import PROMPTS, FunctionTarget, check_signature

GivenTarget = FunctionTarget | FrameworkTarget | PredictTarget


def given_target(given: Any, fields: Callable[[], Collection[str]]) -> GivenTarget:
    """The target that it is. fields: of the rows. Raises InputError for what is none."""
    if isinstance(given, FrameworkTarget):
        return given
    if is_framework(given):
        return target_of(given)
    if not callable(given):
        raise InputError(
            f"{describe(given)} is no target",
            "target",
            "give a function f(row, prompts, llm), or a chain of LangChain, say",
        )
    if not hasattr(given, PROMPTS) and is_predict(given, fields):
        return PredictTarget(given)
    check_signature(given)
    return FunctionTarget(given)


def check_target(target: GivenTarget, space: SearchSpace) -> None:
    """Raises InputError unless the space has the prompts that the target uses."""
    if isinstance(target, FrameworkTarget):
        target.check(space)
        return
    if isinstance(target, PredictTarget):
        return
    named = getattr(target.function, PROMPTS, None)
    if named is not None and set(named) != set(space.prompts):
        raise InputError(
            f"the target uses the prompts {', '.join(named)}, and the space has "
            f"{', '.join(space.prompts)}",
            "target",
            "give a mapping with a space for each: {name: SearchSpace(…)}",
        )
