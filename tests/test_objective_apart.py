"""Scorers that block, hang, end their process or wait for a model: they cost their own cell."""

import asyncio
import threading
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.outcomes import CANDIDATE, NoCalls, scored

from promptlathe.errors import InputError
from promptlathe.records import (
    Answer,
    Call,
    Cell,
    Failure,
    Message,
    Outcome,
    Request,
    Score,
    Sent,
    Trace,
)
from promptlathe.runtime.seam import Abandoned, CallFailed
from promptlathe.scoring import Objective, exact_match, function, regex

ROWS = [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(40)]
TIMEOUT = 0.5


def all_scored(objective: Objective, outputs: list[Any], ctx: Any = None) -> list[Outcome]:
    """At once, on one row."""
    cell = Cell(CANDIDATE, objective.examples("select")[0])

    async def score() -> list[Outcome]:
        traces = [Trace(output) for output in outputs]
        found = [objective.score(cell, trace, ctx or NoCalls()) for trace in traces]
        return await asyncio.gather(*found)

    try:
        return asyncio.run(score())
    finally:
        objective.close()


def one(scorer: Any, output: Any, ctx: Any = None) -> Outcome:
    return all_scored(Objective(ROWS, scorer=scorer), [output], ctx)[0]


def why(outcome: Outcome) -> str:
    assert outcome.failure is not None
    assert outcome.failure.reason == "scorer"
    assert (outcome.value, outcome.scores) == (None, {})
    return outcome.failure.detail


def in_file(folder: Path, body: str, **more: Any) -> Any:
    (folder / "metric.py").write_text(dedent(body))
    return function(str(folder / "metric.py:f"), **more)


def test_a_function_that_hangs_costs_its_own_cells_only(tmp_path: Path) -> None:
    body = """
        import time
        def f(row, output):
            if output == "hang":
                time.sleep(60)
            return len(output)
    """
    outputs = ["a", "hang", "abc", "hang", *["ab"] * 50]
    began = time.monotonic()
    objective = Objective(ROWS, scorer=in_file(tmp_path, body, timeout=TIMEOUT))
    first, second, third, fourth, *rest = all_scored(objective, outputs)
    assert time.monotonic() - began < 15
    assert (first.value, third.value, {outcome.value for outcome in rest}) == (1, 3, {2})
    example = first.cell.example.id
    assert why(second) == f"the scorer f, on example {example}: took longer than 0.5 s"
    assert why(fourth) == why(second)


@pytest.mark.parametrize("scorer", [regex(r"(a+)+$"), exact_match("x", parse={"regex": "(a+)+$"})])
def test_a_regular_expression_that_never_ends(scorer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlathe.scoring.builtin.compared.PATTERN_SECONDS", TIMEOUT)
    objective = Objective([{**row, "x": "aa"} for row in ROWS], scorer=scorer)
    hung, fine = all_scored(objective, ["a" * 50 + "b", "aa"])
    assert "took longer than" in why(hung)
    assert fine.value == 1


def test_the_event_loop_goes_on_while_a_scorer_blocks(tmp_path: Path) -> None:
    scorer = in_file(
        tmp_path, "import time\ndef f(row, output):\n    time.sleep(0.3)\n    return 1"
    )
    objective = Objective(ROWS, scorer=scorer)
    cell = Cell(CANDIDATE, objective.examples("select")[0])
    gaps: list[float] = []

    async def watch() -> None:
        task = asyncio.ensure_future(objective.score(cell, Trace("x"), NoCalls()))
        while not task.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)
        assert task.result().value == 1

    asyncio.run(watch())
    objective.close()
    assert len(gaps) > 20
    assert max(gaps) < 0.25


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 1 / 0", "raised ZeroDivisionError: division by zero"),
        ("return 'good'", "gave 'good': return a finite number"),
        ("import sys; sys.exit('no')", "raised SystemExit: no"),
        ("import os; os._exit(3)", "ended its process: exit code 3"),
    ],
)
def test_what_goes_wrong_in_a_function(tmp_path: Path, body: str, words: str) -> None:
    scorer = in_file(tmp_path, f"def f(row, output):\n    {body}")
    assert words in why(one(scorer, "x"))


def test_what_a_function_prints_and_reads_does_no_harm(tmp_path: Path) -> None:
    scorer = in_file(tmp_path, "def f(row, output):\n    print('\\x80' * 99)\n    input()\n")
    assert "EOFError" in why(one(scorer, "x"))


def test_python_functions_go_apart_too(tmp_path: Path) -> None:
    wide = 3

    def width(row: dict[str, Any], output: str) -> float:
        import os

        return wide * len(output) + (os.getpid() == parent)

    import os

    parent = os.getpid()
    assert one(width, "ab").value == 6
    assert one(lambda row, output: len(output), "ab").value == 2  # type: ignore[reportUnknownLambdaType]


def test_what_cannot_be_sent_runs_in_a_thread_with_the_same_limit() -> None:
    lock = threading.Lock()

    def held(row: dict[str, Any], output: str) -> float:
        with lock:
            if output == "hang":
                time.sleep(3)
            return 1.0

    objective = Objective(ROWS, scorer=function(held, timeout=TIMEOUT))
    assert all_scored(objective, ["x"])[0].value == 1
    assert "took longer than 0.5 s" in why(all_scored(objective, ["hang"])[0])


def module_level(row: dict[str, Any], output: str) -> float:
    return len(output)


def test_a_function_of_a_module_that_another_process_cannot_import_runs_all_the_same() -> None:
    assert one(module_level, "abc").value == 3


def test_a_closed_worker_starts_again() -> None:
    objective = Objective(ROWS, scorer=regex("a"))
    assert all_scored(objective, ["a"])[0].value == 1
    assert all_scored(objective, ["b"])[0].value == 0


@pytest.mark.parametrize("pause", [0, 0.1, 0.6])
def test_closing_ends_a_scorer_that_hangs(tmp_path: Path, pause: float) -> None:
    """Also one whose process is only starting."""
    objective = Objective(
        ROWS, scorer=in_file(tmp_path, "import time\ndef f(row, output):\n    time.sleep(60)")
    )
    cell = Cell(CANDIDATE, objective.examples("select")[0])

    async def score() -> Outcome:
        task = asyncio.ensure_future(objective.score(cell, Trace("x"), NoCalls()))
        await asyncio.sleep(pause)
        objective.close()
        return await asyncio.wait_for(task, 5)

    assert why(asyncio.run(score()))


def test_a_thousand_quick_scores_a_second(tmp_path: Path) -> None:
    scorer = in_file(tmp_path, "def f(row, output):\n    return len(output)")
    objective = Objective(ROWS, scorer=scorer)
    began = time.monotonic()
    assert len(all_scored(objective, ["a"] * 2000)) == 2000
    assert time.monotonic() - began < 4


# What a function is given


class Model:
    """Answers, slowly; counts."""

    def __init__(self, answer: Any = "yes, fine", pause: float = 0.0) -> None:
        self.answer, self.pause = answer, pause
        self.asked: list[tuple[str, str]] = []

    async def call(self, request: Request, *, role: str = "task", step: str = "") -> Answer:
        self.asked.append((role, step))
        await asyncio.sleep(self.pause)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return Answer(self.answer)


async def polite(row: dict[str, Any], output: str, *, ctx: Any) -> tuple[bool, str]:
    answer = await ctx.call(Request((Message("user", output),)), role="judge", step="polite")
    return "yes" in answer.text, answer.text


def test_an_async_function_may_ask_a_model() -> None:
    model = Model()
    outcome = one(polite, "Hello", model)
    assert (outcome.value, outcome.rationales) == (1, {"polite": "yes, fine"})
    assert model.asked == [("judge", "polite")]
    assert Objective(ROWS, scorer=polite).may_judge
    assert not Objective(ROWS, scorer=regex("a")).may_judge


def test_waiting_for_a_model_is_not_the_functions_time() -> None:
    assert one(function(polite, timeout=0.1), "Hello", Model(pause=0.4)).value == 1

    async def slow(row: dict[str, Any], output: str, *, ctx: Any) -> float:
        await ctx.call(Request(()), role="judge", step="slow")
        await asyncio.sleep(9)
        return 1.0

    assert "took longer than 0.1 s" in why(one(function(slow, timeout=0.1), "x", Model(pause=0.2)))


def test_what_ends_a_call_ends_the_cell_or_is_the_scorers_own() -> None:
    for ended in (Abandoned("usd"), CallFailed(Failure("server_error", "503"))):
        with pytest.raises(type(ended)):
            one(polite, "x", Model(ended))
    refused = CallFailed(Failure("content_filter", "blocked"))
    assert "its call failed: blocked" in why(one(polite, "x", Model(refused)))


def test_a_function_may_see_the_calls() -> None:
    def calls(row: dict[str, Any], output: Any, *, trace: Trace) -> Score:
        return Score(len(trace.calls), parsed=output["a"], rationale="counted")

    sent = Sent(Call("m", ()), Answer("x"))
    objective = Objective(ROWS, scorer=calls)
    outcome = scored(objective, objective.examples("select")[0], Trace({"a": "b"}, (sent, sent)))
    objective.close()
    assert (outcome.value, outcome.parsed) == (2, "b")
    assert outcome.rationales == {"calls": "counted"}


def test_a_function_that_asks_must_be_async() -> None:
    def asks(row: dict[str, Any], output: str, *, ctx: Any) -> float:
        return 1.0

    with pytest.raises(InputError, match="has to be `async`"):
        Objective(ROWS, scorer=asks).check()
