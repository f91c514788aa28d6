"""A shop that answers: a scripted model for the chain of order_replies, its best levels known.

It notes the right rule when the prompt holds the rules in full, and else for some rows. It decides
rightly when the note is right and the prompt names the five answers (in words, or by the schema
that the service is asked to keep), and else for some rows. All other levels change nothing.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptlathe.job import Job, Result
from promptlathe.job.runfile import ParallelOptions
from promptlathe.ledger import Ledger
from promptlathe.records import Key, content_hash
from promptlathe.scoring import Objective
from promptlathe.space import SearchSpace
from promptlathe.starter import starter
from promptlathe.testing.scripted import Arrived, ScriptedServer

RUN = starter() / "runs/order_chain.yaml"
FACTS = starter() / "objectives/order_replies/objective.yaml"
OBJECTIVE = Objective.load(FACTS)
ROWS = [
    example.row for split in ("train", "select", "test") for example in OBJECTIVE.examples(split)
]
DECISIONS = ("refund", "replace", "wait", "decline", "ask_details")
VAGUE = "The customer writes about an order."
ENGINES = ["local", pytest.param("ray", marks=pytest.mark.ray)]
"""For tests that take the fixture `engine`."""
PLACES = [("local", 1), ("local", 16), pytest.param("ray", 16, marks=pytest.mark.ray)]
"""Engine and calls in flight. With one on Ray, the result is that of one here."""


def spaces() -> dict[str, SearchSpace]:
    """The two that ship."""
    folder = starter() / "search_spaces"
    return {step: SearchSpace.load(folder / f"order_{step}.yaml") for step in ("plan", "answer")}


def step_of(arrived: Arrived) -> str:
    """Which of the two prompts it is."""
    return "answer" if "Note of a colleague:" in arrived.prompt else "plan"


def row_of(arrived: Arrived) -> Mapping[str, Any]:
    """The row that is asked about: demos show other rows, above it."""
    last = arrived.prompt.rpartition("Message: ")[2]
    return next(row for row in ROWS if last.startswith(row["message"]))


def lucky(row: Mapping[str, Any], one_in: int, salt: str) -> bool:
    """For about one row in so many, the same ones each time."""
    return int(content_hash([salt, row["id"]]), 16) % one_in == 0


def note(arrived: Arrived) -> str:
    """What the first step answers."""
    row = row_of(arrived)
    good = "Rules of the shop:" in arrived.prompt or lucky(row, 3, "plan")
    return f"Rule: {row['rule']}." if good else VAGUE


def decide(arrived: Arrived) -> str:
    """What the second step answers."""
    row = row_of(arrived)
    noted = re.search(r"Note of a colleague: Rule: (\w+)", arrived.prompt)
    named = "one of these words only" in arrived.prompt or bool(arrived.choices)
    good = (noted and noted[1] == row["rule"] and named) or lucky(row, 4, "answer")
    right = DECISIONS.index(row["decision"])
    return arrived.as_asked(DECISIONS[right if good else (right + 1) % len(DECISIONS)])


def shop(arrived: Arrived) -> str:
    """Both steps."""
    return decide(arrived) if step_of(arrived) == "answer" else note(arrived)


def steps_sent(server: ScriptedServer) -> Counter[str]:
    """How many requests of each step came."""
    return Counter(map(step_of, server.arrived))


def model(server: ScriptedServer, name: str = "shop") -> dict[str, Any]:
    """The server, as a run file has it."""
    return {"name": name, "base_url": server.base_url, "max_tokens": 60, "retries": 0}


def parallel(engine: str, concurrency: int = 1) -> dict[str, Any]:
    """Where calls are made, as a run file has it."""
    return {"engine": engine, "concurrency": concurrency, "workers": 1}


def chain(
    workspace: Path,
    server: ScriptedServer,
    *,
    calls: int = 700,
    engine: str = "local",
    concurrency: int = 1,
    **changes: Any,
) -> Job:
    """The shipped run file, changed with `--set` as a user does."""
    by_hand = {
        "model": f"{{name: shop, base_url: '{server.base_url}', max_tokens: 60, retries: 0}}",
        "budget.calls": str(calls),
        "track": "false",
    }
    made = Job.load(RUN, settings=tuple(by_hand.items()), workspace=workspace)
    options = ParallelOptions.model_validate(parallel(engine, concurrency))
    return replace(made, parallel=options, **changes)


def ledger_roles(workspace: Path) -> dict[str, int]:
    """Answers in the ledger, by the role that paid for them."""
    with sqlite3.connect(workspace / ".promptlathe" / "ledger.db") as ledger:
        return dict(ledger.execute("SELECT role, count(*) FROM answers GROUP BY role"))


def cells(workspace: Path, result: Result) -> set[Key]:
    """Candidate, example and repeat of each cell of a run that was not dropped."""
    ledger = Ledger(f"sqlite:///{workspace / '.promptlathe' / 'ledger.db'}")
    try:
        recorded = ledger.recorded(result.run)
        parts = (*recorded.stages, *recorded.decision)
        return {key for part in parts for key, _ in part.events if key not in part.dropped}
    finally:
        ledger.close()


def check_account(result: Result, server: ScriptedServer, *, calls: int) -> dict[str, int]:
    """What the server received is what the account says, and within the budget. Calls by role."""
    used = result.to_dict()["calls"]
    assert used["total"] == used["task"] + used["rewrite"] + used["judge"]
    assert used["total"] == len(server.arrived) <= calls
    tokens = result.to_dict()["tokens"]
    assert tokens["total"] == server.input_tokens + server.output_tokens
    return used
