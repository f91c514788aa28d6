"""The rows of the decision: what each finalist answered, and how it scored.

Which step of a chain lost a row is not knowable in general: nobody knows what the chain would have
answered had one step said something else. What is known is what each of them said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptlathe.data.values import as_text
from promptlathe.records import PROMPT, FinalistName, Outcome, in_short
from promptlathe.results.answers import state_of
from promptlathe.scoring.answers import State
from promptlathe.space import step_outputs

NEAR = 1e-9
"""Values that are no further apart are the same: sums of weights are not exact."""
MOST_SHOWN, MOST_SAID = 2_000, 8_000
"""Characters of a row's field, and of an output, that are kept."""
Change = Literal["fixed", "broken"]


@dataclass(frozen=True)
class RowAnswer:
    """What one prompt made of a row."""

    output: str | None
    """As a text; None when it failed, or when nobody asked."""
    value: float | None
    """The goal's value; None for a failure of the service."""
    parsed: str | None = None
    """What the goal's first scorer read in the output."""
    unread: bool = False
    """A scorer could not read the output."""
    state: State | None = None
    """What became of the answer; None for a failure."""
    failure: str | None = None
    """The reason."""
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    """By scorer."""
    rationales: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of scorers that give one."""
    steps: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of a chain, what each step said."""
    tokens: int | None = None
    usd: float | None = None

    def __repr__(self) -> str:
        return (
            f"RowAnswer({in_short(self.output)}, value={self.value}, {self.failure or self.state})"
        )

    @classmethod
    def of(cls, outcome: Outcome) -> "RowAnswer":
        prompts = outcome.cell.candidate.prompts
        given = step_outputs(outcome.trace.calls, prompts) if len(prompts) > 1 else {}
        return cls(
            output=None if outcome.trace.output is None else cut(outcome.trace.text, MOST_SAID),
            value=outcome.value,
            parsed=outcome.parsed,
            unread=outcome.unread,
            state=None if outcome.failure else state_of(outcome),
            failure=outcome.failure.reason if outcome.failure else None,
            scores=dict(outcome.scores),
            rationales=dict(outcome.rationales),
            steps={step: cut(as_text(said), MOST_SAID) for step, said in given.items()},
            tokens=outcome.tokens,
            usd=outcome.cost,
        )


@dataclass(frozen=True)
class DecidedRow:
    """A held-out row, and what the finalists made of it."""

    example: str
    """The row's own `id`, where it has one."""
    fields: Mapping[str, str]
    """As texts, without the right answer."""
    expected: str | None
    """The right answer, where there is one."""
    answers: Mapping[FinalistName, RowAnswer]

    def __repr__(self) -> str:
        values = {side: answer.value for side, answer in self.answers.items()}
        change = f", {self.change}" if self.change else ""
        return f"DecidedRow({in_short(self.example)}, {in_short(self.expected)}, {values}{change})"

    @property
    def change(self) -> Change | None:
        """From seed to best; None for a row that scored alike, or that one of them lacks."""
        if not (gain := self.gain):
            return None
        return "fixed" if gain > 0 else "broken"

    @property
    def gain(self) -> float:
        """The best prompt's value less the seed's; 0 where it is not known."""
        seed, best = (one and one.value for one in map(self.answers.get, ("seed", "best")))
        if seed is None or best is None or abs(best - seed) <= NEAR:
            return 0.0
        return best - seed

    @property
    def outputs(self) -> Mapping[str, tuple[str | None, str | None]]:
        """By step, of seed and best; one prompt alone is the step `prompt`. None without any."""
        seed, best = (self.answers.get(side) for side in ("seed", "best"))
        steps = dict.fromkeys(step for one in (seed, best) if one for step in one.steps)
        if not steps:
            return {PROMPT: (seed and seed.output, best and best.output)}
        return {
            step: (seed and seed.steps.get(step), best and best.steps.get(step)) for step in steps
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-like: of a row that scored otherwise."""
        outputs = {step: {"seed": a, "best": b} for step, (a, b) in self.outputs.items()}
        return {**self._head, "outputs": outputs}

    @property
    def line(self) -> dict[str, Any]:
        """The same, flat, for a table."""
        outputs = {
            f"{step}, {side}": said
            for step, pair in self.outputs.items()
            for side, said in zip(("seed", "best"), pair, strict=True)
        }
        return {**self._head, **outputs}

    @property
    def _head(self) -> dict[str, Any]:
        return {
            "example": self.example,
            "change": self.change,
            "expected": self.expected,
            "seed": self.answers["seed"].value,
            "best": self.answers["best"].value,
        }


def decided_rows(
    met: Mapping[FinalistName, Iterable[Outcome]], target: str | None
) -> tuple[DecidedRow, ...]:
    """The rows that somebody was asked, in the order in which they were.

    met: the outcomes of each side; of a row that was asked again the last counts.
    """
    sides: dict[FinalistName, dict[str, Outcome]] = {
        side: {one.cell.example.id: one for one in told} for side, told in met.items()
    }
    ids = dict.fromkeys(example for told in sides.values() for example in told)

    def asked(example: str) -> dict[FinalistName, Outcome]:
        found: dict[FinalistName, Outcome] = {}
        for side, told in sides.items():
            if example in told:
                found[side] = told[example]
        return found

    return tuple(_row(asked(one), target) for one in ids)


def changed(rows: Iterable[DecidedRow]) -> tuple[DecidedRow, ...]:
    """Those that scored otherwise, what changed most first."""
    found = [row for row in rows if row.change]
    return tuple(sorted(found, key=lambda row: (-abs(row.gain), row.example)))


def cut(text: str, most: int) -> str:
    """A text that is no longer than so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _row(sides: Mapping[FinalistName, Outcome], target: str | None) -> DecidedRow:
    example = next(iter(sides.values())).cell.example
    expected = example.row.get(target) if target is not None else None
    return DecidedRow(
        example=str(example.row.get("id") or example.id),
        fields={
            name: cut(as_text(value), MOST_SHOWN)
            for name, value in example.row.items()
            if name not in (target, "id")
        },
        expected=None if expected is None else as_text(expected),
        answers={side: RowAnswer.of(outcome) for side, outcome in sides.items()},
    )
