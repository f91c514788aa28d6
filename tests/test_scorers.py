"""The contract of `Scorer`, on every scorer; and scorers that break it, each of which is caught."""

import asyncio
import random
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.suites import caught_by, names_of

from promptlathe.errors import InputError
from promptlathe.records import Example, Message, Request, Score, Trace
from promptlathe.runtime.seam import Context, UnitEnded
from promptlathe.scoring import (
    Scorer,
    compare,
    contains,
    exact_match,
    function,
    json_match,
    judge,
    numeric,
    regex,
    token_f1,
)
from promptlathe.scoring.builtin.compared import ExactMatch
from promptlathe.scoring.scorer import Measure, Surroundings
from promptlathe.testing.contexts import Asked
from promptlathe.testing.scorers import ScorerSuite


class TestExactMatch(ScorerSuite):
    def scorer(self) -> Scorer:
        return exact_match("label")

    def others(self) -> list[Scorer]:
        return [
            exact_match("text"),
            exact_match("label", parse="number"),
            exact_match("label", name="b"),
        ]


class TestLabels(ScorerSuite):
    readable = ("Delivery.", "I would say billing")
    unreadable = ("", "no idea", "delivery or billing")

    def scorer(self) -> Scorer:
        return exact_match("label", parse="label")


class TestContains(ScorerSuite):
    def scorer(self) -> Scorer:
        return contains("label")


class TestNumeric(ScorerSuite):
    row: ClassVar[Any] = {"label": "1,200.5"}
    readable = ("It is 1200.5", "7", "-0")
    unreadable = ("", "none", "twelve")

    def scorer(self) -> Scorer:
        return numeric("label")

    def others(self) -> list[Scorer]:
        return [numeric("label", abs_tol=1), numeric("label", rel_tol=0.1)]


class TestJsonMatch(ScorerSuite):
    row: ClassVar[Any] = {"label": {"who": "Ann", "tags": ["x"]}}
    labels = ('{"who": "Ann", "tags": ["x"]}',)
    readable = ('{"who": "ann"}', "{}")
    unreadable = ("", "Ann", "[1]", '{"who": ')

    def scorer(self) -> Scorer:
        return json_match("label")

    def others(self) -> list[Scorer]:
        return [json_match("label", weights={"who": 2})]


class TestTokenF1(ScorerSuite):
    def scorer(self) -> Scorer:
        return token_f1("label")


class TestRegex(ScorerSuite):
    def scorer(self) -> Scorer:
        return regex(r"^del")

    def others(self) -> list[Scorer]:
        return [regex(r"^bil"), regex(r"^del", parse={"tag": "a"})]


class TestJudge(ScorerSuite):
    unreadable = ()

    def scorer(self) -> Scorer:
        return judge("Polite", levels=("no", "partly", "yes"))

    def others(self) -> list[Scorer]:
        return [
            judge("Rude", levels=("no", "partly", "yes")),
            judge("Polite"),
            judge("Polite", score=(1, 5)),
            judge("Polite", levels=("no", "partly", "yes"), language="fr"),
            judge(builtin="tone"),
        ]

    def answer(self, asked: Asked) -> str:
        return '{"rationale": "so so", "level": "partly"}'


class TestCompare(ScorerSuite):
    unreadable = ()

    def scorer(self) -> Scorer:
        return compare("Politer", against="label")

    def others(self) -> list[Scorer]:
        return [compare("Ruder", against="label"), compare("Politer"), compare("Politer", name="b")]

    def answer(self, asked: Asked) -> str:
        return '{"rationale": "so so", "level": "tie"}'


class TestSeveralSamples(TestJudge):
    def scorer(self) -> Scorer:
        return judge(builtin="tone", samples=3)


METRIC = '''
def brevity(row, output):
    """It changes what it was given, which is its own copy."""
    row["tags"].append("mine")
    if isinstance(output, list):
        output.append("mine")
    words = str(output).split()
    return {"short": 1 / len(words), "long": len(words)} if words else None


async def asks(row, output, *, ctx):
    from promptlathe.records import Message, Request

    row["tags"].append("mine")
    if isinstance(output, list):
        output.append("mine")
    asked = Request((Message("user", f"Is this polite? {output}"),))
    answer = await ctx.call(asked, role="judge", step="asks")
    return (float(len(answer.text) % 2), "by its length") if output else None
'''


class Functions(ScorerSuite):
    row: ClassVar[Any] = {"label": "x", "tags": ["a"]}

    @pytest.fixture(autouse=True)
    def _written(self, tmp_path: Path) -> None:
        (tmp_path / "metric.py").write_text(METRIC)
        self._folder = tmp_path

    @property
    def folder(self) -> Path:
        return self._folder

    def answer(self, asked: Asked) -> str:
        return asked.prompt


class TestFunctionInAFile(Functions):
    def scorer(self) -> Scorer:
        return function("metric.py:brevity", range={"short": (0, 1), "long": (1, 1e6)})

    def others(self) -> list[Scorer]:
        return [function("metric.py:brevity"), function("metric.py:asks")]


class TestAsyncFunction(Functions):
    def scorer(self) -> Scorer:
        return function("metric.py:asks", range=(0, 1))


class TestFunctionInPython(ScorerSuite):
    def scorer(self) -> Scorer:
        def share(row: dict[str, Any], output: Any) -> float | None:
            return len(str(output)) / 1e6 if output else None

        return function(share)


class Sound(Scorer):
    """Whether the label is said. What follows breaks one promise each."""

    keyword = "sound"
    name: str = "sound"
    points: float = 1

    def measure(self, around: Surroundings) -> Measure:
        del around
        return self.score

    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        del ctx
        said = trace.text.strip()
        return Score(self.points * (said == example.row["label"]), said) if said else Score(None)

    def entry(self) -> Any:
        raise InputError("a class of a test has no YAML form")

    def fingerprint(self, around: Surroundings) -> Any:
        return self.model_dump()


class Generous(Sound):
    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        return Score(float(len(trace.text)))


class NotANumber(Sound):
    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        return Score(float("nan") if "NaN" in trace.text else 1.0)


class Blind(Sound):
    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        return Score(None)


class Zero(Sound):
    """What it cannot read is a score of 0."""

    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        found = super().score(example, trace, ctx)
        return Score(found.value or 0.0)


class Brittle(Sound):
    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        return Score(float(trace.output[0] == "d")) if trace.text.strip() else Score(None)


class Moody(Sound):
    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        return Score(random.random())


class Local(Sound):
    """Another score in another process: Python's hashes are salted."""

    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        return Score(hash(trace.text) % 10_000 / 10_000)

    def aside(self, around: Surroundings) -> float:
        return 20.0


class Shared(Sound):
    """Keeps an output where another one finds it."""

    def measure(self, around: Surroundings) -> Measure:
        kept: list[Trace] = []

        async def score(example: Example, trace: Trace, ctx: Context) -> Any:
            kept.append(trace)
            await asyncio.sleep(0)
            return super(Shared, self).score(example, kept[-1], ctx)

        return score


class Scribbler(Sound):
    def score(self, example: Example, trace: Trace, ctx: Context) -> Any:
        example.row["tags"].append("seen")
        return super().score(example, trace, ctx)


class Picky(Sound):
    @property
    def target_field(self) -> str:
        return "label"

    def flaw(self, target: Any) -> str | None:
        return "is not to my taste"


class Nameless(Sound):
    """Its settings do not count."""

    def fingerprint(self, around: Surroundings) -> Any:
        return "nameless"


class Restless(Sound):
    def fingerprint(self, around: Surroundings) -> Any:
        return id(self)


class Lossy(ExactMatch):
    def entry(self) -> Any:
        return {"exact_match": self.target}


class Asking(Sound):
    role: Any = "judge"

    def measure(self, around: Surroundings) -> Measure:
        async def score(example: Example, trace: Trace, ctx: Context) -> Any:
            request = Request((Message("user", self.ask(trace)),))
            try:
                answer = await ctx.call(request, role=self.role, step=self.name)
            except UnitEnded as ended:
                return self.failed(ended)
            return Score(float(answer.text == "yes")) if trace.text.strip() else Score(None)

        return score

    def may_judge(self, around: Surroundings) -> bool:
        return True

    def ask(self, trace: Trace) -> str:
        return trace.text

    def failed(self, ended: UnitEnded) -> Score:
        raise ended


class Unpaid(Asking):
    role: Any = "task"


class Secret(Asking):
    """Does not say that it asks."""

    def may_judge(self, around: Surroundings) -> bool:
        return False


class Wordy(Asking):
    def ask(self, trace: Trace) -> str:
        return f"{random.random()} {trace.text}"


class Stubborn(Asking):
    """A judge that is away gives the worst score."""

    def failed(self, ended: UnitEnded) -> Score:
        return Score(0.0)


BROKEN: list[tuple[type[Scorer], str]] = [
    (Generous, "test_scores_lie_in_the_range_that_it_declares"),
    (NotANumber, "test_scores_lie_in_the_range_that_it_declares"),
    (Blind, "test_what_can_be_read_has_a_score"),
    (Zero, "test_what_cannot_be_read_is_unread_and_no_zero"),
    (Brittle, "test_no_output_breaks_it"),
    (Moody, "test_equal_traces_have_equal_scores"),
    (Local, "test_a_job_scores_as_it_does"),
    (Shared, "test_outputs_at_once_do_not_disturb_each_other"),
    (Scribbler, "test_row_and_output_are_left_as_they_are"),
    (Picky, "test_its_row_has_no_flaw"),
    (Nameless, "test_the_fingerprint_is_that_of_its_settings"),
    (Restless, "test_the_fingerprint_is_that_of_its_settings"),
    (Lossy, "test_its_entry_is_read_back"),
    (Unpaid, "test_models_are_asked_through_the_context_as_a_judges"),
    (Secret, "test_models_are_asked_through_the_context_as_a_judges"),
    (Wordy, "test_models_are_asked_through_the_context_as_a_judges"),
    (Stubborn, "test_a_call_that_fails_gives_no_score"),
]


def suite_of(kind: type[Scorer]) -> ScorerSuite:
    more: dict[str, Any] = {"target": "label"} if issubclass(kind, ExactMatch) else {}
    changed = {"parse": "label"} if more else {"points": 0.5}

    class Suite(ScorerSuite):
        row: ClassVar[Any] = {"label": "delivery", "tags": []}

        def scorer(self) -> Scorer:
            return kind(name="sound", **more)

        def others(self) -> list[Scorer]:
            return [kind(name="sound", **more, **changed)]

        def answer(self, asked: Asked) -> str:
            return "yes"

    return Suite()


@pytest.mark.parametrize(("broken", "test"), BROKEN)
def test_what_breaks_the_contract_is_caught(broken: type[Scorer], test: str) -> None:
    assert caught_by(suite_of(broken), test) == {test}


def test_each_test_of_the_suite_can_fail_and_none_fails_for_no_reason() -> None:
    assert {test for _, test in BROKEN} == names_of(ScorerSuite)
    assert caught_by(suite_of(Sound)) == set()
    assert caught_by(suite_of(Asking)) == set()
