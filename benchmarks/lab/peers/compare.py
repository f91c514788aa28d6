"""Runs of the optimizers against one server, and the held-out score of what each one found."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from lab.peers.cases import ROOT, Case
from lab.peers.counting import CountingServer, Counts
from lab.peers.real import RealServer
from lab.peers.task import CONCURRENCY, MAX_TOKENS, PATIENT, TEXT, Messages, Order
from promptlathe.errors import PromptlatheError
from promptlathe.models import ModelSettings
from promptlathe.records import (
    Answer,
    Candidate,
    Cell,
    Example,
    Message,
    Prompt,
    Request,
    Role,
    Trace,
)
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.local import LocalEngine

OURS = ("lathe", "lathe-demos", "lathe-data", "lathe-line", "random")
ATTEMPTS, NEAR = 3, 0.05
TEXTS = 500
"""So many different draws of the space's texts before they come again."""


class PeerFailed(PromptlatheError):
    """An optimizer's process ended with an error."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What a process of an optimizer took and found."""

    counts: Counts
    """What reached the server until the prompt was found, an own final comparison aside."""
    seconds: float
    """Of a run the longest attempt's."""
    knobs: dict[str, Any]
    messages: Messages


@dataclass(frozen=True)
class Run(Attempt):
    """One optimizer, one seed."""

    task: str
    peer: str
    proposals: str
    """Who wrote new texts: `space`, the `model` itself, or `-` where none are asked for."""
    seed: int
    seed_score: float
    best_score: float


@dataclass(frozen=True)
class Bench:
    """What the runs have in common."""

    server: CountingServer | RealServer
    python: str
    calls: int
    data: Path
    _scores: dict[str, float] = field(default_factory=dict[str, float])
    """Of prompts that were held against them."""

    async def run(self, case: Case, peer: str, proposals: str, seed: int) -> Run:
        """The attempt whose calls come nearest to the budget.

        How many calls a peer's knobs amount to depends on its cache and on the answers, so its
        plan is corrected once or twice by what reached the server.
        """
        task = case.task()
        order = Order(peer, self.server.base_url, self.calls, seed, task, str(self.data))
        attempts: list[Attempt] = []
        for _ in range(ATTEMPTS):
            self.server.reset(
                cycle(case.instructions(TEXTS, seed)) if proposals == "space" else None
            )
            attempts.append(await self._attempt(order))
            reached = attempts[-1].counts.calls
            if abs(reached / self.calls - 1) <= NEAR or peer in OURS:
                break
            order = replace(order, calls=round(order.calls * self.calls / max(1, reached)))
        nearest = min(attempts, key=lambda attempt: abs(attempt.counts.calls - self.calls))
        # Of a later attempt a server that remembers has most answers at hand.
        nearest = replace(nearest, seconds=max(attempt.seconds for attempt in attempts))
        seed_score = await self._held_out(case, task.messages(task.instruction, ()))
        best_score = await self._held_out(case, nearest.messages)
        return Run(case.name, peer, proposals, seed, seed_score, best_score, **vars(nearest))

    async def _attempt(self, order: Order) -> Attempt:
        began = time.perf_counter()
        python = sys.executable if order.peer in OURS else self.python
        found = await child(python, order)
        seconds, counts = time.perf_counter() - began, self.server.counts
        search = replace(counts, calls=counts.calls - found["apart"])
        messages = [(role, content) for role, content in found["messages"]]
        return Attempt(counts=search, seconds=seconds, knobs=found["knobs"], messages=messages)

    async def _held_out(self, case: Case, template: Messages) -> float:
        """The mean score of a prompt on the test rows, by our scorer."""
        examples = case.objective.examples("test")
        asked = json.dumps([case.name, template])
        if asked in self._scores:
            return self._scores[asked]
        settings = ModelSettings(
            name="pocket", base_url=self.server.base_url, max_tokens=MAX_TOKENS, timeout=PATIENT
        )
        lanes = Lanes({"task": Lane(settings, CONCURRENCY)})
        async with LocalEngine(lanes) as engine:

            async def score(number: int, example: Example) -> float:
                text = str(example.row["text"])
                filled = tuple(Message(r, c.replace(TEXT, text)) for r, c in template)
                reply = await engine.send(settings.call(filled, repeat=number))
                assert isinstance(reply, Answer), reply
                cell = Cell(Candidate.single((), Prompt(())), example)
                outcome = await case.objective.score(cell, Trace(reply.text), NoCalls())
                return outcome.value or 0.0

            scores = await asyncio.gather(*(score(i, one) for i, one in enumerate(examples)))
        return self._scores.setdefault(asked, sum(scores) / len(scores))


class NoCalls:
    """A context for scorers that ask no model."""

    async def call(self, request: Request, *, role: Role = "task", step: str = "") -> Answer:
        raise AssertionError(f"{step} called a model")


async def child(python: str, order: Order) -> dict[str, Any]:
    """Run `lab.peers.child` in an interpreter. Raises PeerFailed."""
    places = [str(ROOT / "benchmarks"), str(ROOT / "optimizer")]
    process = await asyncio.create_subprocess_exec(
        python,
        "-m",
        "lab.peers.child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )
    out, log = await process.communicate(json.dumps(asdict(order)).encode())
    if process.returncode:
        last = log.decode(errors="replace").strip().splitlines()[-12:]
        raise PeerFailed(f"{order.peer} failed:\n" + "\n".join(last))
    return json.loads(out.splitlines()[-1])


def table(runs: Sequence[Run]) -> str:
    """A line for each run, then the means of each way over its seeds."""
    lines = [
        "task            peer         texts by  seed  calls  proposals    tokens     s  "
        "held-out: seed   best"
    ]
    lines += [
        f"{r.task:15} {r.peer:12} {r.proposals:8} {r.seed:5} {r.counts.calls:6} "
        f"{r.counts.proposals:10} {r.counts.tokens:9} {r.seconds:5.0f} "
        f"{r.seed_score:15.3f} {r.best_score:6.3f}"
        for r in runs
    ]
    lines.append("\nmeans over seeds")
    ways = dict.fromkeys((r.task, r.peer, r.proposals) for r in runs)
    for way in ways:
        own = [r for r in runs if (r.task, r.peer, r.proposals) == way]
        scores = [r.best_score for r in own]
        calls = sum(r.counts.calls for r in own) / len(own)
        lines.append(
            f"{way[0]:15} {way[1]:12} {way[2]:8} {calls:6.0f} calls  best "
            f"{sum(scores) / len(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"
        )
    return "\n".join(lines)
