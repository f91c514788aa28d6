"""What `run` prints of the steps of a chain."""

from collections.abc import Sequence

from promptlathe.records import FinalistName
from promptlathe.results import DecidedRow, Result, StepReport

MOST_ROWS, SAID = 3, 60
"""Rows of each kind that are printed, and characters of an output."""


def step_lines(steps: Sequence[StepReport]) -> list[str]:
    """A line for each step; nothing without any."""
    if not steps:
        return []
    rows = [
        ("step", "model", "calls", "known", "tokens", "USD", "mean s", "cut off", "failed", ""),
        *(
            (
                one.step,
                one.model,
                f"{one.calls:,}",
                f"{one.cached:,}",
                _number(one.tokens, ",d"),
                _number(one.usd, ".4f"),
                _number(one.latency, ".2f"),
                f"{one.cut_off:,}",
                ", ".join(f"{n:,} {reason}" for reason, n in one.failed.items()) or "0",
                ", ".join(
                    f"{name} {_number(a, '.3f')} → {_number(b, '.3f')}"
                    for name, (a, b) in one.scores.items()
                ),
            )
            for one in steps
        ),
    ]
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  "
        + "  ".join(
            f"{cell:{wide[i]}}" if i in (0, 1, 8, 9) else f"{cell:>{wide[i]}}"
            for i, cell in enumerate(row)
        )
        for row in rows
    ]
    return ["The steps (cells that ended, of all splits):", *(line.rstrip() for line in lines)]


def changed_lines(result: Result) -> list[str]:
    """The rows that changed most, with what each step said; nothing without any."""
    fixed, broken = (
        [row for row in result.changed if row.change == change] for change in ("fixed", "broken")
    )
    if not (fixed or broken):
        return []
    lines = [
        "",
        f"From seed to best: {len(fixed)} rows fixed, {len(broken)} broken, of "
        f"{result.test.examples}; what each step said (MLflow has all: changed_rows.json):",
    ]
    for row in (*fixed[:MOST_ROWS], *broken[:MOST_ROWS]):
        lines += _row(row)
    return lines


def _row(row: DecidedRow) -> list[str]:
    expected = "" if row.expected is None else f", expected {_short(row.expected)}"
    return [
        f"  {row.change} {row.example}: {_value(row, 'seed')} → {_value(row, 'best')}{expected}",
        *(f"    {step}: {_short(a)} → {_short(b)}" for step, (a, b) in row.outputs.items()),
    ]


def _value(row: DecidedRow, side: FinalistName) -> str:
    return _number(row.answers[side].value, ".3g")


def _short(said: str | None) -> str:
    if said is None:
        return "no answer"
    line = " ".join(said.split())
    return repr(line if len(line) <= SAID else f"{line[: SAID - 1]}…")


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else f"{value:{form}}"
