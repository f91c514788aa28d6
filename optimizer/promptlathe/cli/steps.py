"""What `run` prints of the steps of a chain."""

from collections.abc import Sequence

from promptlathe.results import StepReport


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


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else f"{value:{form}}"
