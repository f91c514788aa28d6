"""The policy around a policy: what it proposes, and what it makes of what it is told."""

from collections.abc import Sequence

from promptlathe.records import (
    Answer,
    Call,
    Cell,
    Dropped,
    Example,
    Failure,
    Outcome,
    Rewrite,
    Rewritten,
    Sent,
    Unit,
)
from promptlathe.scoring.contract import Contract
from promptlathe.search import make_policy
from promptlathe.search.operators.guards import Leaks
from promptlathe.search.operators.operator_context import OperatorContext
from promptlathe.search.operators.portfolio import Portfolio
from promptlathe.search.operators.rewriting_policy import RewritingPolicy, RewritingTerms
from promptlathe.space import BoundSpace, Choice, SearchSpace
from promptlathe.testing.records import outcome

SELECT = [Example(f"s{i:02}", {"text": f"question {i}"}, "select") for i in range(40)]
TRAIN = [Example(f"t{i:02}", {"text": f"shown {i}"}, "train") for i in range(30)]
ROLES = {f"role{i}": f"You are the answerer number {i}." for i in range(6)}
SPACE = SearchSpace("{{ role }} {{ text }}", {"role": Choice(ROLES, rewrite=True)})


def asking(brief: OperatorContext) -> str:
    return f"Improve {brief.text}"


def rewriting(calls: int = 400) -> RewritingPolicy:
    bound = BoundSpace(SPACE, TRAIN)
    terms = RewritingTerms({"calls": calls}, 0.3, 0, None, Contract(("text",)))
    inner = make_policy("random", bound, SELECT, seed=0)
    return RewritingPolicy(inner, bound, Portfolio({"ask": asking}, {}), terms, Leaks(SELECT))


def answered(cell: Cell) -> Outcome:
    value = float(int(cell.example.id[1:]) % 2)
    return outcome(cell, Answer("out", 10, 10), {"score": value}, value)


def rewritten(rewrite: Rewrite, reply: Answer | Failure) -> Rewritten:
    return Rewritten(rewrite, Sent(Call("m", rewrite.messages), reply, 0.0))


def until_asked(
    policy: RewritingPolicy, slots: int = 4
) -> tuple[list[Unit], list[Cell], list[Rewrite]]:
    """All units in order, the cells that are still out, and the first requests."""
    seen: list[Unit] = []
    pending: list[Cell] = []
    for _ in range(200):
        units = policy.propose(pending, slots - len(pending))
        seen += units
        pending += [unit for unit in units if isinstance(unit, Cell)]
        if asked := [unit for unit in units if isinstance(unit, Rewrite)]:
            return seen, pending, asked
        policy.tell(answered(pending.pop(0)))
    raise AssertionError("nothing was asked")


def requests(policy: RewritingPolicy) -> int:
    (report,) = policy.reports(())
    return report.calls


def test_rows_of_train_come_before_requests() -> None:
    seen, _, asked = until_asked(rewriting())
    train = [one for one in seen if isinstance(one, Cell) and one.example.split == "train"]
    assert len(train) == 24
    assert asked[0].messages[0].text == f"Improve {ROLES['role0']}"


def test_a_request_that_was_dropped_was_never_asked() -> None:
    policy = rewriting()
    _, pending, asked = until_asked(policy)
    count = requests(policy)
    assert count == len(asked)
    for one in asked:
        assert policy.tell(Dropped(one, "usd")) == []
    assert requests(policy) == 0
    units = policy.propose(pending, 4)
    assert not [one for one in units if isinstance(one, Rewrite)], "nothing came back since"
    policy.tell(answered(pending[0]))
    again = [one for one in policy.propose(pending[1:], 1) if isinstance(one, Rewrite)]
    assert [one.messages for one in again] == [one.messages for one in asked]
    assert [one.repeat for one in again] == [one.repeat for one in asked]
    assert not {one.key for one in again} & {one.key for one in asked}


def test_refusals_that_pass_do_not_end_rewriting() -> None:
    policy = rewriting()
    _, pending, asked = until_asked(policy)
    for _ in range(10):
        for one in asked:
            policy.tell(Dropped(one, "tokens"))
        pending += [one for one in policy.propose(pending, 1) if isinstance(one, Cell)]
        policy.tell(answered(pending.pop(0)))
        units = policy.propose(pending, 1)
        pending += [one for one in units if isinstance(one, Cell)]
        asked = [one for one in units if isinstance(one, Rewrite)]
        assert asked
    policy.tell(rewritten(asked[0], Answer("<new>You answer it all well.</new>", 5, 5)))
    assert [origin.text for origin in policy.origins] == ["You answer it all well."]
    assert not policy.notes


def test_a_rewriter_that_refuses_the_key_is_not_asked_again() -> None:
    policy = rewriting()
    _, pending, asked = until_asked(policy)
    policy.tell(rewritten(asked[0], Failure("authentication", "no key")))
    assert [note.partition(" (")[0] for note in policy.notes] == ["the rewriter could not be used"]
    for _ in range(40):
        units = policy.propose(pending, 1)
        pending += cells(units)
        assert len(cells(units)) == len(units)
        policy.tell(answered(pending.pop(0)))


def test_a_row_that_was_dropped_is_read_later() -> None:
    policy = rewriting()
    first = list(policy.propose((), 4))
    assert [one.example.split for one in cells(first)] == ["train"] * 4
    lost, *others = cells(first)
    assert policy.tell(Dropped(lost, "usd")) == []
    for one in others:
        policy.tell(answered(one))
    seen, _, _ = until_asked(policy)
    read = [one.key for one in cells(seen) if one.example.split == "train"]
    assert read.count(lost.key) == 1
    assert len({*read, *(one.key for one in others)}) == 24


def cells(units: Sequence[Unit]) -> list[Cell]:
    return [one for one in units if isinstance(one, Cell)]
