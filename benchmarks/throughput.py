"""Calls per second of the engines, and of what people write without them.

    python benchmarks/throughput.py [--calls 2000] [--repeats 3] [--json OUT] [--dspy PYTHON]

All rows send the same prompt to the same canned server (another process, 200 ms for each
answer) with 256 calls in flight. Repeats are interleaved, the figures are medians:

    bare       asyncio.gather over AsyncOpenAI.chat.completions.create, aiohttp transport
    local      LocalEngine alone
    evaluator  what a job does for a call: the loop with a fixed policy, the account, the target,
               rendering, the ledger on disk, LocalEngine, scoring
    ray        RayEngine with two workers
    dspy       dspy.Evaluate with 256 threads, in the interpreter that --dspy names

The client's processor time of a call (us) is the driver's own: Ray's workers are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from canned_server import canned_server
from promptlathe.job.loop import Fixed, drive
from promptlathe.ledger import Ledger
from promptlathe.models import ModelSettings, Prices
from promptlathe.records import (
    Answer,
    Budget,
    Call,
    Candidate,
    Cell,
    Event,
    Message,
    Outcome,
    Prompt,
)
from promptlathe.runtime.account import Account
from promptlathe.runtime.amounts import Amounts
from promptlathe.runtime.caller import Caller
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.evaluator import Evaluator
from promptlathe.runtime.forecast import Forecast
from promptlathe.runtime.health import Health
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.writer import Writer
from promptlathe.scoring import Objective, exact_match
from promptlathe.targets import PromptTarget

MESSAGES = (
    Message("system", "You triage support tickets. Answer with the name of the team. " * 8),
    Message("user", "Ticket: my card was swallowed by the machine and I am abroad."),
)
TEMPLATE = Prompt((MESSAGES[0], Message("user", "Ticket: {{ text }}")))
LABELS = ("billing", "delivery", "cancellation", "account_access")
WAYS = ("bare", "local", "evaluator", "ray")
Runner = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """The medians of one way of sending calls."""

    name: str
    calls_per_second: float
    driver_us_per_call: float
    ratio: float = 1.0


async def bare(url: str, concurrency: int, stack: AsyncExitStack) -> Runner:
    """What one writes by hand, on the faster of the client's transports."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    client = AsyncOpenAI(base_url=url, api_key="none", http_client=DefaultAioHttpClient())
    await stack.enter_async_context(client)
    slots = asyncio.Semaphore(concurrency)

    async def one() -> None:
        async with slots:
            reply = await client.chat.completions.create(
                model="canned",
                messages=[m.to_dict() for m in MESSAGES],  # type: ignore[misc]
                temperature=0,
                max_tokens=64,
            )
            assert reply.choices[0].message.content == "billing"

    async def run(calls: int) -> None:
        await asyncio.gather(*(one() for _ in range(calls)))

    return run


async def engine(made: Engine, lanes: Lanes, stack: AsyncExitStack) -> Runner:
    """An engine that always has calls waiting, as a job keeps it."""
    await stack.enter_async_context(made)
    lane = lanes.by_name["task"]
    places = asyncio.Semaphore(2 * lane.slots)

    async def one(call: Call) -> None:
        async with places:
            reply = await made.send(call)
        assert isinstance(reply, Answer)
        assert reply.text == "billing"

    async def run(calls: int) -> None:
        await asyncio.gather(*(one(lane.settings.call(MESSAGES, repeat=i)) for i in range(calls)))

    return run


async def evaluator(lanes: Lanes, stack: AsyncExitStack) -> Runner:
    """The whole path of a cell, the search aside; every cell is new to the ledger."""
    made = await stack.enter_async_context(LocalEngine(lanes))
    folder = stack.enter_context(TemporaryDirectory())
    ledger = stack.enter_context(closing(Ledger(f"sqlite:///{folder}/ledger.db")))
    data = [
        {"text": f"{MESSAGES[1].text} {i}", "label": LABELS[i % len(LABELS)]} for i in range(500)
    ]
    objective = Objective(data, scorer=exact_match("label", parse="label"))
    examples = objective.examples("select")
    candidate = Candidate.single((), TEMPLATE)
    numbers = count()
    # One for all rounds, as a job has one for all stages: its first calls go out few at a time
    # until an answer comes, which falls into the round that only warms up.
    writer = Writer(ledger, "bench")
    account = Account(Budget(calls=1_000_000), Prices())
    caller = Caller(made, ledger, account, lanes, Health({}), writer)
    units = Evaluator(caller, writer, PromptTarget(), objective, Forecast(Amounts(1)))
    stack.push_async_callback(units.close)
    concurrency = lanes.by_name["task"].slots

    async def run(calls: int) -> None:
        cells = [
            Cell(candidate, examples[i % len(examples)], i // len(examples))
            for i in islice(numbers, calls)
        ]
        told: list[float | None] = []

        def watch(event: Event, _: object) -> None:
            assert isinstance(event, Outcome)
            told.append(event.value)

        await drive(Fixed(cells), units, concurrency=concurrency, watch=watch)
        assert len(told) == calls
        assert {0.0, 1.0} == set(told)

    return run


async def rows(url: str, args: argparse.Namespace) -> list[Row]:
    """Measure every way in turn, `repeats` times; the first round only warms up."""
    n = args.concurrency
    settings = ModelSettings(name="canned", base_url=url, temperature=0, max_tokens=64)
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        lanes = Lanes({"task": Lane(settings, n)})
        ways = {name: await opened(name, lanes, stack) for name in args.rows}
        for turn in range(args.repeats + 1):
            for name, run in ways.items():
                calls = args.calls if turn else min(args.calls, 2 * n)
                wall, cpu = time.perf_counter(), time.process_time()
                await run(calls)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                if turn:
                    rates.setdefault(name, []).append(calls / wall)
                    costs.setdefault(name, []).append(cpu / calls * 1e6)
            if turn and args.dspy:
                wall, cpu = dspy(url, args)
                rates.setdefault("dspy", []).append(args.calls / wall)
                costs.setdefault("dspy", []).append(cpu / args.calls * 1e6)
    first = median(next(iter(rates.values())))
    return [
        Row(name, median(rates[name]), median(costs[name]), median(rates[name]) / first)
        for name in rates
    ]


async def opened(name: str, lanes: Lanes, stack: AsyncExitStack) -> Runner:
    """One of WAYS, warm after its first run."""
    lane = lanes.by_name["task"]
    match name:
        case "bare":
            return await bare(str(lane.settings.base_url), lane.slots, stack)
        case "local":
            return await engine(LocalEngine(lanes), lanes, stack)
        case "evaluator":
            return await evaluator(lanes, stack)
        case _:
            from promptlathe.runtime.ray_engine import RayEngine

            return await engine(RayEngine(lanes, workers=2, address="local"), lanes, stack)


def dspy(url: str, args: argparse.Namespace) -> tuple[float, float]:
    """Wall and processor seconds of `dspy_evaluate.py`, which counts its imports out."""
    script = Path(__file__).with_name("dspy_evaluate.py")
    command = [args.dspy, str(script), url, str(args.calls), str(args.concurrency)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall, cpu = json.loads(out.splitlines()[-1])
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds for each answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--rows", nargs="+", choices=WAYS, default=WAYS, help="ratios are to the first"
    )
    parser.add_argument("--dspy", metavar="PYTHON", help="an interpreter that has dspy")
    parser.add_argument("--json", metavar="OUT", type=Path)
    args = parser.parse_args()
    with canned_server(args.latency) as url:
        found = asyncio.run(rows(url, args))
    bound = args.concurrency / args.latency
    print(f"{args.calls} calls, {args.concurrency} in flight: at most {bound:.0f} calls/s")
    print(f"{'':10}{'calls/s':>9}{'us/call':>9}{'ratio':>7}")
    for row in found:
        print(
            f"{row.name:10}{row.calls_per_second:9.0f}{row.driver_us_per_call:9.0f}{row.ratio:7.2f}"
        )
    if args.json:
        settings = {k: v for k, v in vars(args).items() if k not in ("json", "dspy")}
        machine = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
        report = {**settings, **machine, "rows": [asdict(row) for row in found]}
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
