"""The right tool, with the right arguments: what an output calls, against what the row expects.

    - tool_call: call          # the row's field: {name: set_lights, arguments: {room: salon}}

A list holds several calls, in any order; an empty one, or null, says that no tool is to be called.
Tools are compared by their keys, so that their names may vary.

A call whose tool is right scores (1 + r) / (1 + n), with r of n arguments right: those that the row
expects, and those that were given besides. Several calls are paired for the best sum, which is
divided by the number of calls, of those expected or of those made, whichever is more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from promptlathe.data.dataset import Rows
from promptlathe.documents import nearest
from promptlathe.errors import InputError
from promptlathe.records import Example, Json, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.measures import same
from promptlathe.scoring.scorer import Measure, Name, Scorer, Surroundings

FIX = 'write {"name": "…", "arguments": {…}}, a list of such, or [] where no tool is to be called'


@dataclass(frozen=True)
class Called:
    """One call of a tool."""

    tool: str
    arguments: Mapping[str, Json]
    """Without those that are null."""

    def __str__(self) -> str:
        listed = (f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in self.arguments.items())
        return f"{self.tool}({', '.join(listed)})"


class ToolCall(Scorer):
    """The share of the expected calls that the output makes: tools, and their arguments."""

    keyword = "tool_call"
    name: Name = "tool_call"
    target: str

    @property
    def target_field(self) -> str:
        return self.target

    @property
    def reading(self) -> str:
        return "The tools that the model calls are read, and their arguments, as JSON."

    @property
    def whole_target(self) -> bool:
        return True

    def check_rows(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        if not any(self.target in row.values for row in rows):
            known = list(rows[0].values)
            near = nearest(self.target, known)
            raise InputError(
                f"no row has the field {self.target!r}"
                + (f"; did you mean {near!r}?" if near else ""),
                where("target"),
                f"the rows have: {', '.join(known)}",
            )
        for row in rows:
            if self.target not in row.values:
                raise InputError(f"the row has no {self.target!r}", row.where, FIX)
            try:
                expected(row.values[self.target])
            except ValueError as error:
                raise InputError(f"{self.target!r} {error}", row.where, FIX) from None

    def measure(self, around: Surroundings) -> Measure:
        del around
        field = self.target

        def score(example: Example, trace: Trace, ctx: Context) -> Score:
            del ctx
            wanted = expected(example.row[field])
            try:
                made = _calls(trace.output)
            except ValueError as error:
                return Score(None, None, str(error))
            return _compared(wanted, made)

        return score


def tool_call(target: str, *, name: str = "tool_call") -> ToolCall:
    """The share of the expected calls that the output makes: tools, and their arguments."""
    return ToolCall(target=target, name=name)


def expected(given: Json) -> tuple[Called, ...]:
    """The calls that a row expects. Raises ValueError in words."""
    match given:
        case None:
            return ()
        case list():
            several = cast("list[Any]", given)
        case _:
            several = [given]
    return tuple(_expected(one) for one in several)


def _expected(given: Any) -> Called:
    match given:
        case {"type": "function", "function": dict(function)}:
            inner = cast("dict[str, Any]", function)
        case dict():
            inner = cast("dict[str, Any]", given)
        case _:
            raise ValueError(f"holds {given!r}, which is no call")
    if unknown := next((key for key in inner if key not in ("name", "arguments")), None):
        raise ValueError(f"holds a call with the unknown key {unknown!r}")
    name, arguments = inner.get("name"), inner.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise ValueError("holds a call without the name of its tool")
    read = _object(arguments)
    if read is None:
        raise ValueError(f"holds a call of {name} whose arguments are no object")
    return Called(name, read)


def _calls(output: Json) -> tuple[Called, ...]:
    """What an output calls; nothing of a text. Raises ValueError for arguments that do not
    parse."""
    return tuple(_made(one) for one in cast("list[Any]", output)) if _is_calls(output) else ()


def _is_calls(output: Json) -> bool:
    return isinstance(output, list) and all(
        isinstance(one, Mapping) and isinstance(one.get("function"), Mapping)
        for one in cast("list[Any]", output)
    )


def _made(call: Mapping[str, Any]) -> Called:
    function = call["function"]
    arguments = _object(function.get("arguments") or {})
    if arguments is None:
        raise ValueError(
            f"the arguments of {function.get('name')} are no JSON object: "
            f"{str(function['arguments'])[:200]}"
        )
    return Called(str(function.get("name")), arguments)


def _object(given: Any) -> Mapping[str, Json] | None:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return None
    if not isinstance(given, Mapping):
        return None
    known = cast("Mapping[str, Json]", given)
    return {str(key): value for key, value in known.items() if value is not None}


def _compared(wanted: Sequence[Called], made: Sequence[Called]) -> Score:
    parsed = "; ".join(map(str, made)) or "no call"
    if not wanted:
        value = float(not made)
        return Score(value, parsed, None if value else "no tool was to be called")
    pairs = _paired(wanted, made)
    value = sum(_alike(a, b) for a, b in pairs) / max(len(wanted), len(made))
    return Score(value, parsed, "; ".join(_differences(wanted, made, pairs)) or None)


def _paired(wanted: Sequence[Called], made: Sequence[Called]) -> list[tuple[Called, Called]]:
    """Calls of the same tool, the most alike first."""
    ranked = sorted(
        ((i, j) for i, a in enumerate(wanted) for j, b in enumerate(made) if a.tool == b.tool),
        key=lambda pair: -_alike(wanted[pair[0]], made[pair[1]]),
    )
    taken: dict[int, int] = {}
    for i, j in ranked:
        if i not in taken and j not in taken.values():
            taken[i] = j
    return [(wanted[i], made[j]) for i, j in sorted(taken.items())]


def _alike(wanted: Called, made: Called) -> float:
    names = wanted.arguments.keys() | made.arguments.keys()
    right = sum(_right(wanted, made, name) for name in names)
    return (1 + right) / (1 + len(names))


def _right(wanted: Called, made: Called, name: str) -> bool:
    both = name in wanted.arguments and name in made.arguments
    return both and same(made.arguments[name], wanted.arguments[name])


def _differences(
    wanted: Sequence[Called], made: Sequence[Called], pairs: Sequence[tuple[Called, Called]]
) -> Iterator[str]:
    """What is not as expected, in words."""
    left, more = list(wanted), list(made)
    for a, b in pairs:
        left.remove(a)
        more.remove(b)
        for name in dict.fromkeys((*a.arguments, *b.arguments)):
            if name not in b.arguments:
                yield f"{a.tool} lacks {name}={json.dumps(a.arguments[name], ensure_ascii=False)}"
            elif name not in a.arguments:
                yield f"{a.tool} has {name}, which is not expected"
            elif not _right(a, b, name):
                said, right = b.arguments[name], a.arguments[name]
                yield f"{a.tool} has {name}={said!r}, expected {right!r}"
    yield from (f"{one} was not called" for one in left)
    yield from (f"{one} was called, and is not expected" for one in more)
