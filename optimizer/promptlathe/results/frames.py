"""A result's records as data frames."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from promptlathe.records import Standing
from promptlathe.results.curve import CurvePoint
from promptlathe.results.pareto import cost_per_call, pareto, tokens_per_call
from promptlathe.results.rows import DecidedRow, RowAnswer
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.operators import LevelLineage, OperatorReport

if TYPE_CHECKING:
    import pandas as pd


class Records(Protocol):
    """What a result keeps in lists."""

    @property
    def standings(self) -> Sequence[Standing]: ...
    @property
    def rows(self) -> Sequence[DecidedRow]: ...
    @property
    def found_in_best(self) -> Sequence[Contrast]: ...
    @property
    def found_effects(self) -> Sequence[Effect]: ...
    @property
    def lineage(self) -> Sequence[LevelLineage]: ...
    @property
    def operators(self) -> Sequence[OperatorReport]: ...
    @property
    def curve(self) -> Sequence[CurvePoint]: ...


class Frames:
    """A table for each list of records; each is made when it is asked for.

    What a record holds within itself has a column with a dot: `levels.role`, `best.value`.
    """

    def __init__(self, result: Records) -> None:
        self._result = result

    def __repr__(self) -> str:
        return f"Frames({', '.join(name for name in dir(self) if not name.startswith('_'))})"

    @property
    def standings(self) -> "pd.DataFrame":
        """A line for each candidate, in the order in which they were first tried.

        Columns: number, candidate (its id), state, mean, low, high (on `select`, 95 % interval;
        optimistic for the best), examples, cells, failures (of the service), failed (of the
        prompt), unread, tokens_per_call, usd_per_call, pareto (nothing is better and cheaper), and
        `levels.NAME` for each component.
        """
        front = {one.number for one in pareto(self._result.standings)}
        records = [_standing(one, one.number in front) for one in self._result.standings]
        return _frame(records, _STANDINGS)

    @property
    def rows(self) -> "pd.DataFrame":
        """A line for each held-out row that was asked, with what the finalists made of it.

        Columns: example (its id), expected, change (from seed to best: fixed, broken or none),
        gain, `fields.NAME`; and for each side (seed, best, champion) `seed.value`, `seed.output`,
        `seed.parsed`, `seed.state`, `seed.failure`, `seed.tokens`, `seed.usd`,
        `seed.scores.NAME`, `seed.rationales.NAME`, and of a chain `seed.steps.NAME`.
        """
        return _frame([_row(one) for one in self._result.rows], _ROWS)

    @property
    def in_best(self) -> "pd.DataFrame":
        """What works in the best prompt: a line for each of its levels and each other level.

        Columns: component, level (the best prompt's), over (another), effect (what `level` gains
        over it), low, high (points, 95 % interval), calls.
        """
        return _frame(list(map(asdict, self._result.found_in_best)), _IN_BEST)

    @property
    def effects(self) -> "pd.DataFrame":
        """What works on average over the other components: a line for each level, demo row and
        interaction.

        Columns: component, level, effect, low, high (points, 95 % interval), calls.
        """
        return _frame(list(map(asdict, self._result.found_effects)), _EFFECTS)

    @property
    def lineage(self) -> "pd.DataFrame":
        """The levels that operators made: a line each, with the keys of the JSON result."""
        return _frame([one.to_dict() for one in self._result.lineage], ["component", "level"])

    @property
    def operators(self) -> "pd.DataFrame":
        """What each operator did: a line each, with the keys of the JSON result."""
        return _frame(list(map(asdict, self._result.operators)), ["operator"])

    @property
    def curve(self) -> "pd.DataFrame":
        """How the search went: calls, seed, best (estimates on `select`), usd, failures."""
        return _frame(list(map(asdict, self._result.curve)), _CURVE)


_STANDINGS = ["number", "candidate", "state", "mean", "low", "high", "examples", "cells"]
_ROWS = ["example", "expected", "change", "gain"]
_IN_BEST = ["component", "level", "over", "effect", "low", "high", "calls"]
_EFFECTS = ["component", "level", "effect", "low", "high", "calls"]
_CURVE = ["calls", "seed", "best", "usd", "failures"]


def _frame(records: Sequence[Mapping[str, Any]], columns: list[str]) -> "pd.DataFrame":
    """columns: those that are there without a record, too."""
    import pandas as pd

    if not records:
        return pd.DataFrame(columns=columns)
    return pd.json_normalize([dict(one) for one in records])


def _standing(one: Standing, front: bool) -> dict[str, Any]:
    found = one.estimate
    return {
        "number": one.number,
        "candidate": one.candidate.id,
        "state": one.state,
        "mean": found and found.mean,
        "low": found and found.low,
        "high": found and found.high,
        "examples": found.n if found else 0,
        "cells": one.cells,
        "failures": one.failures,
        "failed": one.failed,
        "unread": one.unread,
        "tokens_per_call": tokens_per_call(one),
        "usd_per_call": cost_per_call(one),
        "pareto": front,
        "levels": dict(one.candidate.levels),
    }


def _row(row: DecidedRow) -> dict[str, Any]:
    return {
        "example": row.example,
        "expected": row.expected,
        "change": row.change,
        "gain": row.gain,
        "fields": dict(row.fields),
        **{side: _answer(answer) for side, answer in row.answers.items()},
    }


def _answer(answer: RowAnswer) -> dict[str, Any]:
    return {
        "value": answer.value,
        "output": answer.output,
        "parsed": answer.parsed,
        "state": answer.state,
        "failure": answer.failure,
        "tokens": answer.tokens,
        "usd": answer.usd,
        "scores": dict(answer.scores),
        "rationales": dict(answer.rationales),
        "steps": dict(answer.steps),
    }
