"""Rows of the decision that the best prompt gets right and the seed does not, or the reverse, with
what each step said.

Which step lost a row is not knowable in general: nobody knows what the chain would have answered
had one step said something else. What is known is what each of them said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from promptlathe.data.values import as_text
from promptlathe.records import Outcome
from promptlathe.space import step_outputs

NEAR = 1e-9
"""Values that are no further apart are the same: sums of weights are not exact."""


@dataclass(frozen=True)
class ChangedRow:
    """A row that scored otherwise, and the outputs of both prompts' steps."""

    example: str
    """The row's own `id`, where it has one."""
    change: Literal["fixed", "broken"]
    expected: str | None
    """The right answer, where there is one."""
    seed: float
    best: float
    """Values of the goal."""
    outputs: Mapping[str, tuple[str | None, str | None]]
    """By step, of seed and best, as texts; None where a step gave none."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        outputs = {step: {"seed": a, "best": b} for step, (a, b) in self.outputs.items()}
        return {**asdict(self), "outputs": outputs}

    @property
    def line(self) -> dict[str, Any]:
        """Flat, for a table."""
        outputs = {
            f"{step}, {side}": said
            for step, pair in self.outputs.items()
            for side, said in zip(("seed", "best"), pair, strict=True)
        }
        return {**{k: v for k, v in asdict(self).items() if k != "outputs"}, **outputs}


def changed_rows(
    seed: Iterable[Outcome], best: Iterable[Outcome], target: str | None
) -> tuple[ChangedRow, ...]:
    """Of prompts with several steps, what changed most first; else none."""
    before = {one.cell.example.id: one for one in seed}
    pairs = [(before[b.cell.example.id], b) for b in best if b.cell.example.id in before]
    found = [row for a, b in pairs if (row := _changed(a, b, target))]
    return tuple(sorted(found, key=lambda row: (-abs(row.best - row.seed), row.example)))


def _changed(seed: Outcome, best: Outcome, target: str | None) -> ChangedRow | None:
    steps = list(best.cell.candidate.prompts)
    if seed.value is None or best.value is None or len(steps) < 2:
        return None
    if abs(best.value - seed.value) <= NEAR:
        return None
    said = [_texts(outcome) for outcome in (seed, best)]
    example = best.cell.example
    expected = example.row.get(target) if target is not None else None
    return ChangedRow(
        str(example.row.get("id") or example.id),
        "fixed" if best.value > seed.value else "broken",
        None if expected is None else as_text(expected),
        seed.value,
        best.value,
        {step: (said[0].get(step), said[1].get(step)) for step in steps},
    )


def _texts(outcome: Outcome) -> dict[str, str]:
    given = step_outputs(outcome.trace.calls, outcome.cell.candidate.prompts)
    return {step: as_text(output) for step, output in given.items()}
