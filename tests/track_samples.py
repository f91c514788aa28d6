"""A run as it is told to MLflow, and the book that writes it down, for tests of the tracking."""

from pathlib import Path
from typing import Any

from promptlathe.decide import Comparison
from promptlathe.records import (
    Answer,
    Call,
    Candidate,
    Cell,
    Estimate,
    Example,
    FinalistName,
    Message,
    Outcome,
    Prompt,
    Sent,
    Standing,
    Trace,
)
from promptlathe.space.rendering import render
from promptlathe.track import About, Conclusion, Dataset, default_artifacts, default_uri
from promptlathe.track.backend import Backend
from promptlathe.track.book import Book
from promptlathe.track.records import Begun, Candidacy, Concluded, Mark, Started, TestRow
from promptlathe.track.spool import Content, Record


def prompt(text: str = "Answer with the label.", temperature: float | None = None) -> Prompt:
    parameters = () if temperature is None else (("temperature", temperature),)
    return Prompt((Message("system", text), Message("user", "Ticket: {{ text }}")), parameters)


def candidate(text: str, **levels: str | float) -> Candidate:
    return Candidate.single(tuple(levels.items()), prompt(text))


SEED = candidate("Answer.", role="none", count=0)
BEST = Candidate.single((("role", "agent"), ("count", 4)), prompt("Answer well.", 0.2))
EXAMPLES = [
    Example(f"e{i}", {"text": f"My invoice {i}", "label": "billing"}, "test") for i in range(3)
]
COMPARISON = Comparison(0.5, 0.75, 0.25, 0.1, 0.4, 108, 0)


def answered(side: Candidate, example: Example, text: str) -> Outcome:
    right = text == example.row["label"]
    call = Call("pocket", render(side.prompt, example.row), (("temperature", 0.2),))
    sent = Sent(call, Answer(text, 40, 2, 0.25), 0.001)
    scores = {"exact_match": float(right), "f1": 0.3 + 0.7 * right}
    return Outcome(Cell(side, example), Trace(text, (sent,)), scores, float(right), text)


def standing(side: Candidate, estimate: Estimate | None = None, **changes: Any) -> Standing:
    known: dict[str, Any] = {"cells": 1, "tokens": None, "cost": None, "failures": 0}
    known |= {"failed": 0, "unread": 0, "number": 0, "state": "complete"}
    return Standing(side, estimate, **known | changes)


def about(**changes: Any) -> About:
    known: dict[str, Any] = {
        "experiment": "triage",
        "prompt": "support-triage",
        "title": "pocket",
        "began": 1_700_000_000_000,
        "run_file": "model: pocket\n",
        "model": "pocket",
        "target": "label",
        "pass_fail": frozenset({"exact_match"}),
        "parameters": {"max_tokens": 50},
        "params": {"policy": "tpe", "seed": 0},
        "datasets": (Dataset.of("tickets", "test", "tickets.jsonl", EXAMPLES),),
    }
    return About(**known | changes)


def conclusion(**changes: Any) -> Conclusion:
    known: dict[str, Any] = {
        "verdict": "better",
        "finish_reason": "budget: calls",
        "seed": SEED.prompts,
        "best": BEST.prompts,
        "comparison": COMPARISON,
        "promote": True,
        "description": "## Better",
        "metrics": {"cost_usd": 0.5},
        "result": '{"verdict": "better"}',
        "order": '{"seq": 0}\n',
    }
    return Conclusion(**known | changes)


class Teller:
    """Tells a book what a run tells it."""

    def __init__(self, state: Path, name: str = "record") -> None:
        self.store = default_uri(state), default_artifacts(state)
        self.book = Book(Backend(*self.store), name)

    def tell(self, content: Content) -> Started | Concluded | None:
        return self.book.write([Record(1_700_000_000_000, content)])

    def start(self, given: About) -> Started:
        started = self.tell(Begun(*self.store, given))
        assert isinstance(started, Started)
        return started

    def candidate(self, given: Standing, mark: Mark | None = None) -> None:
        self.tell(Candidacy(given, mark))

    def test_outcome(self, side: FinalistName, given: Outcome) -> None:
        self.tell(TestRow(side, given))

    def conclude(self, given: Conclusion) -> Concluded:
        concluded = self.tell(given)
        assert isinstance(concluded, Concluded)
        return concluded
