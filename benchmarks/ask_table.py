"""Ask a real model for a whole table: prompts of a space on rows of a task.

    python benchmarks/ask_table.py --server URL [--model NAME] --task NAME --out DIR/NAME.json
        [--prompts 36] [--rows 80] [--data DIR]

URL is that of a service with OpenAI's chat completions that gives log probabilities, with /v1
(llama.cpp's server: `llama-server -m FILE.gguf -np 4 -c 16384`). NAME is `bankingN`, of N intents,
one of our own tasks, or one of BIG-Bench Hard (lab/bbh.py). The seed prompt and others at random
are asked on the first rows of `select`, one after the other. `soft.py` searches in such tables.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import banking77
import promptlathe as pl
from lab import bbh
from lab.asked import Asked, write
from lab.bench import main
from lab.peers.cases import ROOT, bank
from lab.peers.compare import NoCalls
from lab.worlds import Codes, Component
from promptlathe.errors import InputError
from promptlathe.models import ModelSettings
from promptlathe.records import Answer, Candidate, Cell, Example, Outcome, Sent, Trace
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.local import LocalEngine
from promptlathe.search.lathe import SpaceLandscape
from promptlathe.search.lathe.features import Number, Rows
from promptlathe.space import BoundSpace, Choice, request_of

OWN = ("support_triage", "help_desk_intents")
SEED, AT_ONCE, ROOM, DEMOS = 7, 4, 16, 8
"""Of the draw of prompts; calls in flight; tokens of an answer; demos of a prompt of Banking77."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The checked options. Raises InputError."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", required=True, help="its base URL, with /v1")
    parser.add_argument("--model", default="local")
    parser.add_argument("--task", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prompts", type=int, default=36)
    parser.add_argument("--rows", type=int, default=80)
    parser.add_argument("--data", type=Path, default=banking77.DATA)
    args = parser.parse_args(argv)
    if not args.out.parent.is_dir():
        raise InputError("no such folder", f"--out {args.out}", "make it first")
    if args.prompts < 2 or args.rows < 1:
        raise InputError("too few", "--prompts, --rows", "give 2 prompts and a row at least")
    return args


def task(name: str, data: Path) -> tuple[pl.Objective, pl.SearchSpace]:
    """Its rows and its space. Raises InputError."""
    try:
        if name in OWN:
            objective = pl.Objective.load(ROOT / "objectives" / name / "objective.yaml")
            return objective, pl.SearchSpace.load(ROOT / "search_spaces" / f"{name}.yaml")
        if name in bbh.TASKS:
            objective = bbh.objective(data, name)
            return objective, bbh.space(list(objective.labels))
        if name.startswith("banking") and name[7:].isdigit() and int(name[7:]) > 1:
            case = bank(data, name, int(name[7:]), DEMOS)
            return case.objective, case.space
    except FileNotFoundError as error:
        raise InputError(f"no such file: {error.filename}", "--data", "give its folder") from error
    known = ", ".join((*OWN, *bbh.TASKS))
    raise InputError(f"unknown task {name!r}", "--task", f"there are: bankingN, {known}")


async def ask(args: argparse.Namespace) -> Asked:
    """The table."""
    objective, space = task(args.task, args.data)
    labels = tuple(objective.labels)
    bound = BoundSpace(space, objective.examples("train"), objective.target, labels)
    examples = objective.examples("select")[: args.rows]
    rng, found = np.random.default_rng(SEED), {bound.seed.id: bound.seed}
    while len(found) < args.prompts:
        drawn = bound.candidate(space.draw(rng))
        found.setdefault(drawn.id, drawn)
    settings = ModelSettings(
        name=args.model, base_url=args.server, temperature=0, max_tokens=ROOM, timeout=600
    )
    outcomes: list[list[Outcome]] = []
    async with LocalEngine(Lanes({"task": Lane(settings, AT_ONCE)})) as engine:

        async def cell(candidate: Candidate, example: Example) -> Outcome:
            request = request_of(candidate.prompt, example.row)
            call = replace(settings.call(request.messages, request.parameters), labels=labels)
            reply = await engine.send(call)
            if not isinstance(reply, Answer):
                raise InputError(f"{reply.reason}: {reply.detail}", args.server, "see its log")
            trace = Trace(reply.text, (Sent(call, reply),))
            return await objective.score(Cell(candidate, example), trace, NoCalls())

        for number, candidate in enumerate(found.values(), 1):
            outcomes.append(await asyncio.gather(*(cell(candidate, one) for one in examples)))
            mean = np.mean([one.value for one in outcomes[-1]])
            print(f"{number}/{len(found)}: {mean:.2f}", file=sys.stderr, flush=True)
    components, pool = described(bound, list(found.values()))
    return Asked(
        args.task,
        components,
        pool,
        [[float(one.value or 0) for one in row] for row in outcomes],
        [[one.soft for one in row] for row in outcomes],
    )


def described(
    bound: BoundSpace, candidates: Sequence[Candidate]
) -> tuple[tuple[Component, ...], list[Codes]]:
    """What varies between the candidates, as `lathe` sees it, and each one's codes."""
    landscape = SpaceLandscape(bound)
    values = [landscape.values(candidate.levels) for candidate in candidates]
    components: list[Component] = []
    columns: list[list[int]] = []
    for place, axis in enumerate(landscape.encoder.axes):
        column = [row[place] for row in values]
        known: list[Any] = list(dict.fromkeys(column))
        component = bound.space.varied.get(axis.name)
        if isinstance(axis, Number):
            known.sort()
            components.append(Component(axis.name, tuple(known), "number"))
        elif isinstance(axis, Rows):
            components.append(Component(axis.name, tuple(known), "rows"))
        elif isinstance(component, Choice):
            texts = {one.name: one.text or "" for one in component.choice}
            components.append(Component(axis.name, tuple(texts[one] for one in known), "text"))
        else:
            components.append(Component(axis.name, tuple(known)))
        columns.append([known.index(one) for one in column])
    return tuple(components), list(zip(*columns, strict=True))


def bench(argv: Sequence[str] | None) -> None:
    args = parse(argv)
    world = asyncio.run(ask(args))
    write(world, args.out)
    told = np.mean([one is not None for row in world.softs for one in row])
    shape = f"{len(world.pool)} prompts x {world.examples} rows"
    print(f"{args.out}: {shape}, best {world.best:.2f}, chances for {told:.0%}")


if __name__ == "__main__":
    main(bench)
