"""The contract of `Scorer` as tests: subclass `ScorerSuite`, and say how your scorer is made.

    class TestMine(ScorerSuite):
        row = {"text": "Where is my parcel?", "label": "delivery"}
        readable = ("delivery", "billing")
        unreadable = ("I cannot say",)

        def scorer(self) -> Scorer:
            return MyScorer(target="label")

A function of yours is tested as `function("metric.py:brevity")`, with `folder` the one that it lies
in. Nothing but pytest (or any runner that calls the methods named `test_…`) is needed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import ClassVar

import cloudpickle

from promptlathe.documents import Document, to_yaml
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError
from promptlathe.records import (
    Candidate,
    Cell,
    Example,
    Failure,
    Json,
    Prompt,
    Score,
    Trace,
    content_hash,
)
from promptlathe.runtime.seam import Abandoned, CallFailed, UnitEnded
from promptlathe.scoring import Objective, Scorer
from promptlathe.scoring.scorer import Measure, Surroundings, Unscored
from promptlathe.testing.contexts import Asked, ScriptedContext, failing, raised, run

ROWS = 12
"""Of an objective that the scorer is put into."""
ODD: tuple[Json, ...] = (
    "",
    " \n\t ",
    "x" * 200_000,
    "0" * 200_000,
    "1,234." * 20_000,
    "{" * 20_000,
    '{"a":' * 2_000,
    "<a>" * 20_000,
    "cut \ud83d",
    "a\x00b",
    "NaN",
    "1e999",
    "-Infinity",
    "שלום ٣٫١٤ ½ ²",
    "{{ text }} {% if %} \\ ' \" `",
    None,
    True,
    0,
    1.5,
    [],
    ["a", {"b": None}],
    {"a": {"b": [1, "c"]}},
)
"""Outputs that models and functions give; None where there is none."""
ENDS: tuple[Callable[[], UnitEnded], ...] = (
    lambda: CallFailed(Failure("server_error", "it broke")),
    lambda: Abandoned("usd"),
)


class ScorerSuite:
    """What every scorer does. `scorer` makes one; the rest says what it is tried on."""

    row: ClassVar[Mapping[str, Json]] = {"text": "Where is my parcel?", "label": "delivery"}
    """A row that it can score, with all fields that it needs."""
    labels: ClassVar[Sequence[str]] = ("delivery", "billing")
    """The distinct values of the row's target."""
    readable: ClassVar[Sequence[Json]] = ("delivery", "billing")
    """Outputs that it gives a score."""
    unreadable: ClassVar[Sequence[Json]] = ("",)
    """Outputs that it cannot read; none for a scorer that reads everything."""
    deterministic: ClassVar[bool] = True
    """Equal traces have equal scores."""

    def scorer(self) -> Scorer:
        raise NotImplementedError

    def others(self) -> Sequence[Scorer]:
        """The same with other settings, each of which may give some output another score."""
        return ()

    @property
    def folder(self) -> Path:
        """What paths are relative to."""
        return Path()

    def answer(self, asked: Asked) -> str:
        """What a model says that the scorer asks."""
        raise AssertionError(f"it called a model ({asked.role}, {asked.step})")

    def test_scores_lie_in_the_range_that_it_declares(self) -> None:
        async def test() -> None:
            ranges = self.scorer().ranges
            for output in self._outputs:
                score = await self._score(output)
                value = score.value if isinstance(score, Score) else None
                named = value if isinstance(value, Mapping) else {"": value}
                for name, one in named.items():
                    known = ranges.get(name) if isinstance(ranges, Mapping) else ranges
                    assert one is None or math.isfinite(one)
                    assert one is None or known is None or known[0] <= one <= known[1]

        run(test)

    def test_what_can_be_read_has_a_score(self) -> None:
        async def test() -> None:
            for output in self.readable:
                score = await self._score(output)
                assert isinstance(score, Score), f"no score for {output!r}: {score}"
                assert score.value is not None, f"could not read {output!r}"

        run(test)

    def test_what_cannot_be_read_is_unread_and_no_zero(self) -> None:
        async def test() -> None:
            for output in self.unreadable:
                score = await self._score(output)
                assert isinstance(score, Score), f"no score for {output!r}: {score}"
                assert score.value is None, f"a score for {output!r}"

        run(test)

    def test_no_output_breaks_it(self) -> None:
        """It scores, says that it could not read, or raises `Unscored`, which says why."""

        async def test() -> None:
            for output in ODD:
                await self._score(output)

        run(test)

    def test_equal_traces_have_equal_scores(self) -> None:
        """Of one scorer twice, of one like it, and of its copy in another process."""

        async def test() -> None:
            travelled = cloudpickle.loads(cloudpickle.dumps(self.scorer()))
            measures = [self._measure(self.scorer()), self._measure(travelled)]
            for output in self._outputs if self.deterministic else ():
                first, *again = [await self._score(output, m) for m in (*measures, *measures)]
                assert again == [first] * 3

        run(test)

    def test_a_job_scores_as_it_does(self) -> None:
        """There, functions and patterns run in a process of their own."""

        async def test() -> None:
            first = await self._score(self.readable[0])
            assert isinstance(first, Score)
            names = [*first.value] if isinstance(first.value, Mapping) else [self.scorer().name]
            objective = self._objective(self.scorer(), names[0])
            try:
                for output in self.readable if self.deterministic else ():
                    score = await self._score(output)
                    assert isinstance(score, Score)
                    ctx = ScriptedContext(self.answer)
                    cell = Cell(_CANDIDATE, objective.examples("select")[0])
                    outcome = await objective.score(cell, self._trace(output), ctx)
                    value = score.value
                    named = value if isinstance(value, Mapping) else {names[0]: value}
                    assert outcome.failure is None
                    assert outcome.scores == named
            finally:
                objective.close()

        run(test)

    def test_outputs_at_once_do_not_disturb_each_other(self) -> None:
        async def test() -> None:
            measure = self._measure(self.scorer())
            outputs = self._outputs
            alone = [await self._score(output, self._measure(self.scorer())) for output in outputs]
            at_once = (self._score(one, measure) for one in outputs * 3)
            assert not self.deterministic or await asyncio.gather(*at_once) == alone * 3

        run(test)

    def test_row_and_output_are_left_as_they_are(self) -> None:
        async def test() -> None:
            for output in (*self.readable, *self.unreadable, ["a", {"b": 1}]):
                row, kept = deepcopy(dict(self.row)), deepcopy(output)
                await self._score(kept, row=row)
                assert row == self.row
                assert kept == output

        run(test)

    def test_its_row_has_no_flaw(self) -> None:
        scorer = self.scorer()
        if scorer.target_field is not None:
            assert scorer.target_field in self.row
            assert scorer.flaw(self.row[scorer.target_field]) is None

    def test_the_fingerprint_is_that_of_its_settings(self) -> None:
        """Equal for equal scorers, whatever they scored; another for each of `others`."""

        async def test() -> None:
            first = self._fingerprint(self.scorer())
            await self._score(self.readable[0], self._measure(scorer := self.scorer()))
            travelled = cloudpickle.loads(cloudpickle.dumps(self.scorer()))
            for same in (scorer, self.scorer(), travelled):
                assert self._fingerprint(same) == first
            all_of_them = [first, *map(self._fingerprint, self.others())]
            assert len(set(all_of_them)) == len(all_of_them)

        run(test)

    def test_its_entry_is_read_back(self) -> None:
        """From YAML, as the same scorer; one that YAML cannot hold says so with `InputError`."""
        for scorer in (self.scorer(), *self.others()):
            try:
                entry = scorer.entry()
            except InputError:
                continue
            data, lines = read_yaml(to_yaml({"scorers": [entry]}), "entry")
            found = Objective.from_document(Document({**data, "dataset": self._rows}, lines=lines))
            assert found.scorers == (scorer,)

    def test_models_are_asked_through_the_context_as_a_judges(self) -> None:
        """Equally for equal traces: then the second costs nothing. Whoever asks says so."""

        async def test() -> None:
            may_judge = self.scorer().may_judge(self._around)
            for output in (*self.readable, *self.unreadable):
                first, second = ScriptedContext(self.answer), ScriptedContext(self.answer)
                for ctx in (first, second):
                    await self._score(output, ctx=ctx)
                    assert {one.role for one in ctx.asked} <= {"judge"}
                    assert may_judge or not ctx.asked
                    assert ctx.under_way == 0
                assert first.asked == second.asked

        run(test)

    def test_a_call_that_fails_gives_no_score(self) -> None:
        async def test() -> None:
            ctx = ScriptedContext(self.answer)
            await self._score(self.readable[0], ctx=ctx)
            for number in range(len(ctx.asked)):
                for end in ENDS:
                    error = end()
                    failed = ScriptedContext(failing(self.answer, number, error))
                    assert await raised(self._score(self.readable[0], ctx=failed)) is error

        run(test)

    # What the tests are made of

    @property
    def _outputs(self) -> tuple[Json, ...]:
        return (*self.readable, *self.unreadable, *ODD)

    @property
    def _around(self) -> Surroundings:
        return Surroundings(lambda field: self.labels, self.folder)

    @property
    def _rows(self) -> list[dict[str, Json]]:
        """The row, and others like it that are told apart."""
        return [{**self.row, "row_number": number} for number in range(ROWS)]

    def _trace(self, output: Json) -> Trace:
        return Trace(output)

    def _measure(self, scorer: Scorer) -> Measure:
        return scorer.measure(self._around)

    async def _score(
        self,
        output: Json,
        measure: Measure | None = None,
        *,
        ctx: ScriptedContext | None = None,
        row: dict[str, Json] | None = None,
    ) -> Score | str:
        """The score; for an output without one, why it has none."""
        measure = measure or self._measure(self.scorer())
        example = Example("e", deepcopy(dict(self.row)) if row is None else row, "select")
        try:
            found = measure(example, self._trace(output), ctx or ScriptedContext(self.answer))
            return found if isinstance(found, Score) else await found
        except Unscored as error:
            return str(error)

    def _fingerprint(self, scorer: Scorer) -> str:
        return content_hash(scorer.fingerprint(self._around))

    def _objective(self, scorer: Scorer, score: str) -> Objective:
        data = {"dataset": self._rows, "scorers": [scorer], "goal": f"maximize {score}"}
        return Objective.from_document(Document(data, self.folder / "any.yaml"))


_CANDIDATE = Candidate.single((), Prompt(()))
