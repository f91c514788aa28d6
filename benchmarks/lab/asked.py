"""Whole tables that were asked of a model: prompts of a space, rows of a task, and for each cell
whether the answer was right and how likely the model thought the right one.

A table is JSON: `name`, `components` (name, kind, levels), `pool` (a candidate's codes each),
`outcomes` (candidates x examples, 0 or 1) and `soft` (likewise, 0 to 1, or null).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.worlds import Codes, Component
from promptlathe.errors import InputError


@dataclass(frozen=True)
class Asked:
    """A `World` of such a table."""

    name: str
    components: tuple[Component, ...]
    pool: Sequence[Codes]
    outcomes: Sequence[Sequence[float]]
    softs: Sequence[Sequence[float | None]]

    @property
    def examples(self) -> int:
        return len(self.outcomes[0])

    @cached_property
    def _rows(self) -> dict[Codes, int]:
        return {codes: row for row, codes in enumerate(self.pool)}

    @cached_property
    def best(self) -> float:
        return max(map(self.quality, self.pool))

    def outcome(self, codes: Codes, example: int, repeat: int = 0) -> float:
        return self.outcomes[self._rows[codes]][example]

    def soft(self, codes: Codes, example: int) -> float | None:
        """How likely the model thought the right answer."""
        return self.softs[self._rows[codes]][example]

    def quality(self, codes: Codes) -> float:
        return sum(self.outcomes[self._rows[codes]]) / self.examples


def write(world: Asked, path: Path) -> None:
    content: dict[str, Any] = {
        "name": world.name,
        "components": [
            {"name": c.name, "kind": c.kind, "levels": c.levels} for c in world.components
        ],
        "pool": world.pool,
        "outcomes": world.outcomes,
        "soft": world.softs,
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def load(path: Path) -> Asked:
    """Raises InputError for what is no table."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        return Asked(
            given["name"],
            tuple(_component(**one) for one in given["components"]),
            [tuple(codes) for codes in given["pool"]],
            given["outcomes"],
            given["soft"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "make it with benchmarks/ask_table.py"
        raise InputError(f"not a table: {error!r}", str(path), fix) from error


def _component(name: str, kind: Any, levels: list[Any]) -> Component:
    known = tuple(tuple(one) if isinstance(one, list) else one for one in levels)
    return Component(name, known, kind)
