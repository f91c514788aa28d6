"""Scorers of your own: `metric.py:function`, a path relative to the objective's file.

    def brevity(row: dict, output: str) -> float:
        return 1 / (1 + len(output) / 100)

    async def polite(row: dict, output: str, *, ctx) -> tuple[float, str]:
        answer = await ctx.call(Request(...), role="judge", step="polite")
        return float("yes" in answer.text), answer.text

`row` is a copy of the example's row, `output` the model's text without the whitespace around it,
or what a function of yours under test returned; of a picture that a model drew, the path of its
file. Parameters named `trace` and `ctx` get the trace
with all calls, and the way to a model (`async` functions only). A number or a truth value is the
score; a dict gives several scores, each under its own name; None says that the output cannot be
read; `(score, "why")` and `records.Score` give a reason too. NaN and infinity are refused. Higher
is better, or the goal says `minimize`.

What is not `async` runs in the worker process, with a time limit.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from promptlathe.data.values import copied
from promptlathe.documents import Model, find, read_text
from promptlathe.errors import InputError
from promptlathe.records import Example, Score, Trace, content_hash
from promptlathe.runtime.seam import Context
from promptlathe.scoring.clock import within
from promptlathe.scoring.loading import load_function, split_path
from promptlathe.scoring.scorer import (
    NAME,
    UNREAD,
    Measure,
    Name,
    Range,
    Scorer,
    Surroundings,
    Unscored,
)

Metric = Callable[..., Any]
SECONDS = 30.0
"""That a function may take on one output, unless its entry says so."""
_GIVE = "return a finite number, True or False, a dict of numbers by name, or None"


def _ordered(given: Range) -> Range:
    if given[0] >= given[1]:
        raise ValueError(
            f"the range [{given[0]:g}, {given[1]:g}] is empty", "write the lowest score first"
        )
    return given


Ranged = Annotated[Range, AfterValidator(_ordered)]


class Own(Model):
    """What is said of a function of yours."""

    name: Name
    range: Ranged | dict[Name, Ranged] | None = None
    """The lowest and the highest score that it gives; by name where it gives several."""
    timeout: float = Field(default=SECONDS, gt=0)
    """Seconds that it may take on one output; those that it waits for `ctx` do not count."""


class _Function(Own, Scorer):
    keyword = "function"

    @property
    def ranges(self) -> Range | Mapping[str, Range] | None:
        return self.range

    def load(self, around: Surroundings) -> Metric:
        """The function itself."""
        raise NotImplementedError

    def measure(self, around: Surroundings) -> Measure:
        return _guarded(self.load(around), self)

    def aside(self, around: Surroundings) -> float | None:
        return None if _is_async(self.load(around)) else self.timeout

    def reads_calls(self, around: Surroundings) -> bool:
        return "trace" in _wishes(self.load(around))

    def may_judge(self, around: Surroundings) -> bool:
        return "ctx" in _wishes(self.load(around))

    def _said(self) -> list[Any]:
        """For the fingerprint: the range and the step, where they are declared."""
        return [one for one in (self.range, self.step) if one is not None]


class Function(_Function):
    """A function in a file: `path` is `file.py:function`."""

    path: str

    def load(self, around: Surroundings) -> Metric:
        return load_function(self.path, around.folder, around.within)

    def fingerprint(self, around: Surroundings) -> Any:
        text = read_text(find(around.folder, split_path(self.path)[0], around.within))
        return [self.path, content_hash(text), *self._said()]

    def entry(self) -> Any:
        said = self.model_dump(mode="json", exclude_defaults=True)
        if self.name == split_path(self.path)[1]:
            del said["name"]
        return self.path if said.keys() == {"path"} else {self.keyword: said}


class PythonFunction(_Function):
    """A function given in Python. It has no YAML form."""

    function: Callable[..., Any]

    def load(self, around: Surroundings) -> Metric:
        del around
        return self.function

    def fingerprint(self, around: Surroundings) -> Any:
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):
            source = repr(self.function)
        return [source, *more] if (more := self._said()) else source

    def entry(self) -> Any:
        raise InputError(
            f"the scorer {self.name!r} is a Python function, which YAML cannot hold",
            "scorers",
            "put it into a file and name it: metric.py:function",
        )


def function(
    path: str | Metric,
    *,
    name: str | None = None,
    range: Range | Mapping[str, Range] | None = None,
    timeout: float = SECONDS,
    step: str | None = None,
) -> Scorer:
    """Your own scorer: `file.py:function`, or a function `f(row, output)` itself.

    range: the lowest and the highest score that it gives, by name where it gives several.
    timeout: seconds that it may take on one output. step: of a chain, the one that it scores.
    """
    more: dict[str, Any] = {"range": range, "timeout": timeout, "step": step}
    if callable(path):
        own = str(getattr(path, "__name__", ""))
        own = own if re.match(NAME, own) else "function"  # a lambda, a callable object
        return PythonFunction(name=name or own, function=path, **more)
    return Function(path=path, name=name or split_path(path)[1], **more)


def _is_async(metric: Metric) -> bool:
    called = getattr(metric, "__call__", None)  # noqa: B004  # of an object that is called
    return inspect.iscoroutinefunction(metric) or inspect.iscoroutinefunction(called)


def _wishes(metric: Metric) -> frozenset[str]:
    """Which of `trace` and `ctx` it takes, by the names of its parameters."""
    try:
        return frozenset(inspect.signature(metric).parameters) & {"trace", "ctx"}
    except (ValueError, TypeError):  # some built-in functions do not tell
        return frozenset()


def _guarded(metric: Metric, scorer: _Function) -> Measure:
    wishes = _wishes(metric)
    _check_form(metric, wishes, scorer.name)

    def arguments(example: Example, trace: Trace, ctx: Context) -> tuple[Any, dict[str, Any]]:
        given = {"trace": trace, "ctx": ctx}
        output = trace.given
        output = output.strip() if isinstance(output, str) else copied(output)
        return output, {name: given[name] for name in wishes}

    def score(example: Example, trace: Trace, ctx: Context) -> Score:
        output, more = arguments(example, trace, ctx)
        return _score(metric(copied(example.row), output, **more), output, scorer)

    async def wait(example: Example, trace: Trace, ctx: Context) -> Score:
        async def call(ctx: Context) -> Any:
            output, more = arguments(example, trace, ctx)
            return _score(await metric(copied(example.row), output, **more), output, scorer)

        return await within(scorer.timeout, ctx, call)

    return wait if _is_async(metric) else score


def _check_form(metric: Metric, wishes: frozenset[str], name: str) -> None:
    try:
        inspect.signature(metric).bind({}, "", **dict.fromkeys(wishes))
    except ValueError:  # some built-in functions do not tell
        pass
    except TypeError as error:
        raise InputError(
            f"the metric cannot be called with a row and an output: {error}",
            name,
            "write it as  def metric(row, output):",
        ) from None
    if "ctx" in wishes and not _is_async(metric):
        raise InputError(
            "a function that takes `ctx` has to be `async`",
            name,
            "write it as  async def metric(row, output, *, ctx):",
        )


def _score(result: Any, output: Any, scorer: _Function) -> Score:
    """What it returned, as a score. Raises `Unscored` for what is none."""
    if isinstance(result, Awaitable):
        getattr(result, "close", bool)()
        raise Unscored("gave an awaitable: write it as `async def`")
    if isinstance(result, Score):
        found = _values(result.value, scorer)
        return replace(result, value=found, parsed=result.parsed if found is not None else None)
    rationale = None
    if isinstance(result, tuple):
        if len(result) != 2 or not isinstance(result[1], str):
            raise Unscored(f"gave {_shown(result)}: {_GIVE}, or a pair of one and a text")
        result, rationale = result
    value = _values(result, scorer)
    if value is None:
        return UNREAD if rationale is None else Score(None, rationale=rationale)
    return Score(value, output, rationale)


def _values(result: Any, scorer: _Function) -> float | Mapping[str, float] | None:
    if result is None:
        return None
    if not isinstance(result, Mapping):
        return _number(result, scorer.name, scorer)
    for name in result:
        if not (isinstance(name, str) and re.match(NAME, name)):
            raise Unscored(f"gave a score the name {name!r}: use letters, digits, _")
    return {name: _number(value, name, scorer) for name, value in result.items()}


def _number(value: Any, name: str, scorer: _Function) -> float:
    item = getattr(value, "item", None)  # numpy's and torch's scalars
    value = item() if callable(item) else value
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        raise Unscored(f"gave {_shown(value)}: {_GIVE}")
    known = scorer.range.get(name) if isinstance(scorer.range, dict) else scorer.range
    if known is not None and not known[0] <= value <= known[1]:
        raise Unscored(f"gave {value:g}, outside of its range [{known[0]:g}, {known[1]:g}]")
    return float(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
