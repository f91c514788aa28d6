"""Cells in, outcomes out: ledger first, equal calls once, the order as recorded."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptlathe.errors import InputError
from promptlathe.ledger import Ledger
from promptlathe.models.pricing import Price, Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import (
    Answer,
    Budget,
    Call,
    Candidate,
    Cell,
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
    Scalar,
)
from promptlathe.runtime.engine import Reply
from promptlathe.runtime.evaluator import Evaluator
from promptlathe.runtime.meter import Meter
from promptlathe.runtime.replay import ReplayedEvaluator
from promptlathe.scoring import Objective, exact_match

ROWS = [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(20)]
OBJECTIVE = Objective(ROWS, scorer=exact_match("label"))
ANSWER = Answer("a", 10, 1)


class Engine:
    """An engine whose replies come when the test says so, in the order in which it says so."""

    concurrency = 100

    def __init__(self) -> None:
        self.sent: list[Call] = []
        self.back: list[list[Reply]] = []
        self.replies: dict[str, Answer | Failure] = {}

    def submit(self, call: Call) -> None:
        self.sent.append(call)

    async def next(self) -> list[Reply]:
        if self.back:
            return self.back.pop(0)
        return [(call, self.replies.get(call.key, ANSWER)) for call in self.sent]

    def returns(self, *batches: list[int]) -> None:
        """Which of the sent calls come back next, by their place."""
        self.back = [[(self.sent[i], ANSWER) for i in batch] for batch in batches]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.close()


def evaluator(
    engine: Engine, ledger: Ledger, run: str | None = "run", **settings: Scalar
) -> Evaluator:
    model = ModelSettings.model_validate({"name": "m", "base_url": "http://x/v1", **settings})
    meter = Meter(Budget(), Prices({"m": Price(input=1, output=2)}))
    return Evaluator(engine, ledger, OBJECTIVE, model, meter, run)  # type: ignore[arg-type]


def candidate(text: str, **parameters: Scalar) -> Candidate:
    message = Message("user", text + " {{ text }}")
    return Candidate.single((), Prompt((message,), tuple(sorted(parameters.items()))))


def cell(text: str = "say", row: int = 0, **parameters: Scalar) -> Cell:
    return Cell(candidate(text, **parameters), Example(f"e{row}", ROWS[row], "select"))


async def all_of(one: Evaluator | ReplayedEvaluator) -> list[Outcome]:
    found: list[Outcome] = []
    while outcome := await one.next():
        found.append(outcome)
    return found


async def test_a_cell_is_sent_scored_and_counted(engine: Engine, ledger: Ledger) -> None:
    one = evaluator(engine, ledger)
    assert one.submit(cell(row=0)) is None
    assert one.submit(cell(row=1)) is None
    engine_before = list(engine.sent)
    right, wrong = await all_of(one)
    assert engine_before == []
    assert [call.messages for call in engine.sent] == [
        (Message("user", "say t0"),),
        (Message("user", "say t1"),),
    ]
    assert (right.cell, right.value, right.cached) == (cell(row=0), 1.0, False)
    assert (wrong.cell, wrong.value) == (cell(row=1), 0.0)
    assert right.cost == pytest.approx(12e-6)
    assert one.meter.spent.calls == 2
    assert one.meter.spent.tokens == 22
    assert await one.next() is None


async def test_what_the_ledger_knows_is_not_sent(engine: Engine, ledger: Ledger) -> None:
    first = evaluator(engine, ledger)
    first.submit(cell())
    [paid] = await all_of(first)
    again = evaluator(engine, ledger, "again")
    again.submit(cell())
    [known] = await all_of(again)
    assert len(engine.sent) == 1
    assert (known.reply, known.value, known.cached) == (paid.reply, paid.value, True)
    assert again.meter.spent.calls == 0
    assert again.meter.spent.cached_calls == 1
    assert ledger.order("again") == [cell().key]


async def test_known_cells_do_not_wait_for_sent_ones(engine: Engine, ledger: Ledger) -> None:
    one = evaluator(engine, ledger)
    ledger.record([(one.call_of(cell(row=2)), ANSWER)])
    one.submit(cell(row=0))
    one.submit(cell(row=2))
    outcome = await one.next()
    assert outcome
    assert outcome.cell == cell(row=2)


async def test_it_is_written_before_it_is_returned(
    engine: Engine, ledger: Ledger, tmp_path: Path
) -> None:
    one = evaluator(engine, ledger)
    for row in range(4):
        one.submit(cell(row=row))
    another = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    try:
        outcome = await one.next()
        assert outcome
        call = one.call_of(outcome.cell)
        assert another.find([call.key]) == {call.key: outcome.reply}
        assert another.order("run")[0] == outcome.cell.key
    finally:
        another.close()


async def test_equal_calls_are_sent_once(engine: Engine, ledger: Ledger) -> None:
    """Two prompts may make the same call: here one says what the settings say anyway."""
    one = evaluator(engine, ledger, temperature=0.5)
    same = [cell(), cell(temperature=0.5)]
    assert same[0].candidate != same[1].candidate
    for each in same:
        one.submit(each)
    first, second = await all_of(one)
    assert len(engine.sent) == 1
    assert [first.cell, second.cell] == same
    assert (first.cached, second.cached) == (False, True)
    assert (one.meter.spent.calls, one.meter.spent.cached_calls) == (1, 1)
    assert ledger.order("run") == [each.key for each in same]


async def test_repeats_and_other_models_are_other_calls(engine: Engine, ledger: Ledger) -> None:
    one = evaluator(engine, ledger)
    for each in (cell(), Cell(cell().candidate, cell().example, 1), cell(name="n")):
        one.submit(each)
    assert len(await all_of(one)) == 3
    assert Counter(call.model for call in engine.sent) == {"m": 2, "n": 1}


async def test_parameters_of_the_prompt_go_before_the_settings(
    engine: Engine, ledger: Ledger
) -> None:
    one = evaluator(engine, ledger, temperature=0.5, max_tokens=64, seed=3)
    one.submit(cell(temperature=0.9, max_tokens=8))
    await all_of(one)
    assert engine.sent[0].parameters == (("max_tokens", 8), ("seed", 3), ("temperature", 0.9))


async def test_failures_have_no_score_and_are_asked_again(engine: Engine, ledger: Ledger) -> None:
    one = evaluator(engine, ledger)
    engine.replies[one.call_of(cell()).key] = Failure("timeout", "no answer")
    one.submit(cell())
    [failed] = await all_of(one)
    assert (failed.value, failed.scores, failed.cost) == (None, {}, None)
    engine.replies.clear()
    engine.sent.clear()
    again = evaluator(engine, ledger, "again")
    again.submit(cell())
    [answered] = await all_of(again)
    assert answered.value == 1.0
    assert len(engine.sent) == 1


async def test_the_order_of_arrival_is_recorded(engine: Engine, ledger: Ledger) -> None:
    one = evaluator(engine, ledger)
    for row in range(5):
        one.submit(cell(row=row))
    one._start_new()
    engine.returns([3, 1], [4], [0, 2])
    order = [outcome.cell.key for outcome in await all_of(one)]
    assert order == [cell(row=row).key for row in (3, 1, 4, 0, 2)]
    assert ledger.order("run") == order


async def test_the_meter_counts_what_is_handed_over(engine: Engine, ledger: Ledger) -> None:
    """Not what has arrived: what the budget affords must not depend on how calls arrive."""
    one = evaluator(engine, ledger)
    for row in range(5):
        one.submit(cell(row=row))
    seen: list[int] = []
    while await one.next():
        seen.append(one.meter.spent.used_calls)
    assert seen == [1, 2, 3, 4, 5]


async def test_a_refused_cell_is_neither_held_nor_sent(engine: Engine, ledger: Ledger) -> None:
    one = evaluator(engine, ledger)
    one.meter = Meter(Budget(calls=3), Prices())
    assert [one.submit(cell(row=row), keep=1) for row in range(3)] == [None, None, "calls"]
    assert len(await all_of(one)) == 2
    assert one.submit(cell(row=2)) is None


async def replayed(engine: Engine, ledger: Ledger) -> ReplayedEvaluator:
    """Of a run that was told rows 2, 0, 1 in its search, and row 3 in its decision."""
    one = evaluator(engine, ledger)
    for row in range(3):
        one.submit(cell(row=row))
    one._start_new()
    engine.returns([2, 0], [1])
    await all_of(one)
    one.stop("minutes")
    one.submit(cell(row=3))
    engine.sent.clear()
    await all_of(one)
    engine.sent.clear()
    return ReplayedEvaluator(evaluator(engine, ledger, None), ledger.course("run"))


async def test_a_replay_tells_in_the_recorded_order(engine: Engine, ledger: Ledger) -> None:
    again = await replayed(engine, ledger)
    for row in range(3):
        assert again.submit(cell(row=row)) is None
    assert [o.cell.example.id for o in await all_of(again)] == ["e2", "e0", "e1"]
    assert engine.sent == []


async def test_a_replay_stops_where_the_run_stopped(engine: Engine, ledger: Ledger) -> None:
    again = await replayed(engine, ledger)
    for row in range(3):
        again.submit(cell(row=row))
    assert again.submit(cell(row=3)) == "minutes"
    await all_of(again)
    again.stop("minutes")
    assert again.submit(cell(row=3)) is None
    assert [o.cell.example.id for o in await all_of(again)] == ["e3"]


async def test_a_replay_fails_what_failed(engine: Engine, ledger: Ledger) -> None:
    one = evaluator(engine, ledger)
    engine.replies[one.call_of(cell()).key] = Failure("timeout", "no answer")
    one.submit(cell())
    await all_of(one)
    one.stop("calls")
    engine.sent.clear()
    course = ledger.course("run")
    inner = evaluator(engine, ledger, None)
    inner.failures = course.failures
    again = ReplayedEvaluator(inner, course)
    again.submit(cell())
    [failed] = await all_of(again)
    assert isinstance(failed.reply, Failure)
    assert failed.reply.reason == "timeout"
    assert engine.sent == []


@pytest.mark.parametrize("rows", [(0, 1), (0, 1, 2, 3)])
async def test_a_run_that_leaves_the_record_is_told_so(
    engine: Engine, ledger: Ledger, rows: tuple[int, ...]
) -> None:
    again = await replayed(engine, ledger)
    again._limit = ""  # a search that ended by itself: nothing is refused
    for row in rows:
        again.submit(cell(row=row))
    with pytest.raises(InputError, match="another course"):
        await all_of(again)
