"""Worlds in which earlier runs have asked already: what they were told, beside the world.

    prompts   a run with other prompts of the same model: half of the recorded ones, at random
    models    a run of each of the other models on the same examples
    shuffled  as `prompts`, but the answers belong to other examples: they mislead
    task      a run of the same model on another task, as if its examples were these
    scout     one other model, asked by a few prompts in turn (job/scouting.py)

An earlier run is one of `lathe` itself, from nothing; a scout's is what the product asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from lab import factorial
from lab.recorded import Recorded, load
from lab.schemes.lathe import Lathe
from lab.worlds import Codes, Component, World
from promptlathe.job.scouting import PROMPTS, in_turn
from promptlathe.search.lathe import Earlier, Settings

Kind = Literal["prompts", "models", "shuffled", "task", "scout"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Warmed:
    """A `World` with what earlier runs were told; see the module's text."""

    world: World
    earlier: Sequence[Earlier]

    @property
    def name(self) -> str:
        return self.world.name

    @property
    def components(self) -> tuple[Component, ...]:
        return self.world.components

    @property
    def pool(self) -> Sequence[Codes] | None:
        return self.world.pool

    @property
    def examples(self) -> int:
        return self.world.examples

    @property
    def best(self) -> float:
        return self.world.best

    def outcome(self, codes: Codes, example: int, repeat: int = 0) -> float:
        return self.world.outcome(codes, example, repeat)

    def quality(self, codes: Codes) -> float:
        return self.world.quality(codes)


def warmed(kind: Kind, path: Path, prompts: Sequence[str], *, seed: int, calls: int) -> Warmed:
    """The world of the table at `path`, after earlier runs of so many calls in all.

    With `models` and `scout` every prompt is a candidate; otherwise half of them are, the others'
    answers are what is remembered.
    """
    rng = np.random.default_rng([seed, 41])
    whole = _load(path, prompts)
    if kind in ("models", "scout"):
        task = path.stem.rpartition("_")[0]
        others = [p for p in sorted(path.parent.glob(f"{task}_*.npz")) if p != path]
        if kind == "scout":
            others = [others[seed % len(others)]]
        asked = _scout if kind == "scout" else run_before
        runs = [(_load(p, prompts), p.stem.rpartition("_")[2]) for p in others]
        each = calls // len(runs)
        return Warmed(whole, [e for w, model in runs for e in asked(w, seed, each, model)])
    order = rng.permutation(len(whole.pool))
    here, before = (whole.of(order[i::2].tolist()) for i in (0, 1))
    if kind == "task":
        model = path.stem.rpartition("_")[2]
        others = [p for p in sorted(path.parent.glob(f"*_{model}.npz")) if p != path]
        before = _load(others[int(rng.integers(len(others)))], prompts)
    told = run_before(before, seed, calls, "")
    if kind == "shuffled":
        moved = rng.permutation(whole.examples)
        told = [replace(one, example=_id(moved[int(one.example)])) for one in told]
    return Warmed(here, told)


def simulated(
    kind: factorial.Kind, size: str, *, seed: int, calls: int, likeness: float, scout: bool
) -> Warmed:
    """A simulated world, after a run with another model, or a scout; see lab/factorial.py."""
    world = factorial.simulate(kind, size, seed)
    other = factorial.another_model(world, seed=seed + 5000, likeness=likeness)
    return Warmed(world, (_scout if scout else run_before)(other, seed, calls, "another"))


def _load(path: Path, prompts: Sequence[str]) -> Recorded:
    world = load(path, prompts)
    assert world is not None
    return world


def run_before(world: World, seed: int, calls: int, model: str) -> list[Earlier]:
    """What a run of `lathe` was told, the latest first."""
    scheme = Lathe(world, seed + 7000, calls, Settings(doubt=0, repeats=False))
    told: list[Earlier] = []
    while len(told) < calls and (cell := scheme.ask()) is not None:
        value = world.outcome(*cell)
        scheme.tell(*cell, value)
        told.append(_told(world, cell[0], cell[1], value, model))
    return told[::-1]  # the ledger gives the latest first


def _scout(world: World, seed: int, calls: int, model: str) -> list[Earlier]:
    """Prompts at random where the product spreads them out."""
    rng = np.random.default_rng([seed, 43])
    pool = world.pool or [
        tuple(int(rng.integers(len(one.levels))) for one in world.components)
        for _ in range(PROMPTS)
    ]
    chosen = rng.permutation(len(pool))[:PROMPTS]
    rows = rng.permutation(world.examples).tolist()
    return [
        _told(world, codes, row, world.outcome(codes, row), model)
        for codes, row in in_turn([pool[i] for i in chosen], rows, calls)
    ]


def _told(world: World, codes: Codes, example: int, value: float, model: str) -> Earlier:
    names = (component.name for component in world.components)
    levels = {} if world.pool else dict(zip(names, codes, strict=True))
    prompt = f"{world.name}{codes}"
    return Earlier(prompt, levels, _id(example), value, model, made=not world.pool)


def _id(example: int) -> str:
    return f"{example:06}"
