"""Jobs on a scripted service, which keeps its own books: what it would send a bill for."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.jobs import OBJECTIVE, ROWS

import promptlathe as pl
from promptlathe.job import Job, Result
from promptlathe.job.run import run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models.pricing import Price, Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }}\n{{ form }}\n{{ tone }} {{ close }}", "user": "{{ text }}"},
    components={
        "task": pl.Text("Read the message.", rewrite=True),
        "form": pl.Choice({"chatty": "Say which.", "bare": "Answer with the label only."}),
        "tone": pl.Choice({"plain": None, "kind": "Be kind.", "curt": "Be curt."}),
        "close": pl.Choice([None, *(f"Take care, {name}." for name in "abcdefghij")]),
    },
)
PRICES = Prices({"model": Price(input=25, output=80), "writer": Price(input=250, output=1000)})
TEST = len(OBJECTIVE.examples("test"))
ASKING = ("rewrite", "shorten", "paraphrase", "merge")
LABEL = {str(row["text"]): str(row["label"]) for row in ROWS}
SPLIT = {str(e.row["text"]): e.split for s in ("select", "test") for e in OBJECTIVE.examples(s)}


def row_of(arrived: Arrived) -> str:
    """The text of the row that a prompt of the space asks about."""
    return str(arrived.body["messages"][-1]["content"]).strip()


def chance(*content: object) -> float:
    """In [0, 1), the same for equal contents."""
    return int(sha256(repr(content).encode()).hexdigest()[:8], 16) / 16**8


@dataclass
class Service:
    """Answers `model` and `writer`, and counts what it worked for, as a provider's bill does.

    A request that it refused is free; one that it answered too late, or on a cut line, is not.
    """

    delay: float = 0.0
    slow: float | None = None
    """Seconds until answers about rows of `test`, where they differ."""
    late: float = 0.0
    """Seconds until the writer's answers."""
    tokens_each: int = 1
    """Of the model's answers."""
    written: int = 30
    """Words of the writer's answers."""
    fault: Callable[[Arrived], Reply | None] = lambda arrived: None
    """In place of an answer."""
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    free: int = 0
    started: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    """(model or the row's split, time) of what was not refused."""

    def __call__(self, arrived: Arrived) -> Reply:
        name = str(arrived.body["model"])
        reply = self.fault(arrived) or (
            self._write(arrived) if name == "writer" else self._answer(arrived)
        )
        if reply.status != 200:
            self.free += 1
            return reply
        read = len(arrived.prompt.split())
        said = len(reply.text.split()) if name == "writer" else self.tokens_each
        self.calls += 1
        self.tokens += read + said
        self.usd += PRICES.root[name].of(read, said) if name in PRICES.root else 0.0
        where = "writer" if name == "writer" else SPLIT.get(row_of(arrived), "train")
        self.started.append((where, time.monotonic()))
        usage = {"prompt_tokens": read, "completion_tokens": said}
        return reply if reply.usage is not None else replace(reply, usage=usage)

    def _answer(self, arrived: Arrived) -> Reply:
        """Right more often when the label only is asked for."""
        row = row_of(arrived)
        good = 0.85 if "label only" in arrived.prompt else 0.35
        label = LABEL[row] if chance(row, "kind" in arrived.prompt) < good else "none"
        slow = self.slow is not None and SPLIT.get(row) == "test"
        delay = (self.slow or 0.0) if slow else self.delay
        return Reply(label, delay=delay)

    def _write(self, arrived: Arrived) -> Reply:
        number = int(1000 * chance(arrived.prompt))
        return Reply(f"<new>Text {number}.{' more' * self.written}</new>", delay=self.late)


def settings(server: ScriptedServer, name: str = "model", **changes: Any) -> ModelSettings:
    made = {"name": name, "base_url": server.base_url, "retries": 0, "timeout": 20}
    return ModelSettings.model_validate(made | {"max_tokens": 20} | changes)


def job(server: ScriptedServer, workspace: Path, **changes: Any) -> Job:
    """With a rewriter at the same server, when `asking` is True."""
    asking = changes.pop("asking", False)
    writer = changes.pop("writer", {"max_tokens": 400})
    slots = changes.pop("concurrency", 4)
    made = Job(
        space=SPACE,
        objective=OBJECTIVE,
        model=changes.pop("model", None) or settings(server),
        rewriter=settings(server, "writer", **writer) if asking else None,
        budget=Budget(calls=200),
        prices=PRICES,
        search=SearchOptions(policy="random", operators=ASKING if asking else ()),
        parallel=ParallelOptions(concurrency=slots),
        track=False,
        workspace=workspace,
    )
    return replace(made, **changes)


async def result_of(one: Job) -> Result:
    """Beside the server, which lives in this loop."""
    return await asyncio.to_thread(run, one)
