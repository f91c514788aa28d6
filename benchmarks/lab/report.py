"""The printed summary of rows: mean regret, calls to come near, and the ratio to the best baseline.

Intervals are 95 % percentile bootstrap intervals over tables and seeds: tables are drawn with
replacement, then seeds within each. All policies share the draws, so that a ratio's interval
compares policies on the same tables and seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lab.measure import Row
from lab.schemes import BASELINES

NEAR = 3.0
"""Points: "within 3 points of the best"."""
DRAWS = 2000


@dataclass(frozen=True)
class Readings:
    """Regret by policy: arrays of tables x seeds x calls."""

    tables: tuple[str, ...]
    calls: tuple[int, ...]
    regret: dict[str, np.ndarray]

    @cached_property
    def means(self) -> dict[str, np.ndarray]:
        """Mean over tables and seeds, for each number of calls."""
        return {policy: values.mean(axis=(0, 1)) for policy, values in self.regret.items()}

    @cached_property
    def drawn(self) -> dict[str, np.ndarray]:
        """Bootstrap draws of the means: draws x calls."""
        tables, seeds, _ = next(iter(self.regret.values())).shape
        rng = np.random.default_rng(0)
        table = rng.integers(tables, size=(DRAWS, tables, 1))
        seed = rng.integers(seeds, size=(DRAWS, tables, seeds))
        return {p: values[table, seed].mean(axis=(1, 2)) for p, values in self.regret.items()}

    @cached_property
    def rivals(self) -> list[str]:
        """At each number of calls, the baseline with the least mean regret."""
        baselines = [policy for policy in self.regret if policy in BASELINES]
        if not baselines:
            return []
        return [min(baselines, key=lambda p: self.means[p][i]) for i in range(len(self.calls))]


def readings(rows: Sequence[Row]) -> Readings:
    """Arrange rows; every policy must have been run with the same tables, seeds and calls."""
    policies, tables, seeds, calls = (
        list(dict.fromkeys(row[key] for row in rows))
        for key in ("policy", "table", "seed", "calls")
    )
    calls = sorted(calls)
    values = {(r["policy"], r["table"], r["seed"], r["calls"]): r["regret"] for r in rows}
    regret = {
        p: np.array([[[values[p, t, s, c] for c in calls] for s in seeds] for t in tables])
        for p in policies
    }
    return Readings(tuple(tables), tuple(calls), regret)


def report(rows: Sequence[Row], *, by_table: bool = False) -> str:
    """The text that a bench prints. Worlds without any difference to find are left out."""
    kept = [row for row in rows if not row["table"].startswith("null-")]
    if not kept:
        worst = max(row["regret"] for row in rows)
        return f"only null worlds: no candidate differs (largest regret {worst:.2f})"
    found = readings(kept)
    parts = [_regret(found), _near(found), _ratio(found)]
    if by_table:
        parts += [_table(found, i) for i in range(len(found.tables))]
    return "\n\n".join(part for part in parts if part)


def _regret(found: Readings) -> str:
    tables, seeds, _ = next(iter(found.regret.values())).shape
    title = f"Regret (points below the best), mean of {tables} tables x {seeds} seeds [95 %]"
    cells = {
        policy: [
            f"{mean:.2f} [{low:.2f}, {high:.2f}]"
            for mean, low, high in zip(means, *_interval(found.drawn[policy]), strict=True)
        ]
        for policy, means in found.means.items()
    }
    return _grid(title, [str(c) for c in found.calls], cells)


def _near(found: Readings) -> str:
    last = found.calls[-1]
    title = (
        f"Calls to come within {NEAR:g} points: mean over runs of the first reading that is "
        f"(never: counted as {last}),\nthe share of runs that ever were, and where the mean "
        "regret gets there (between readings: on a log scale)"
    )
    cells = {}
    for policy, values in found.regret.items():
        near = values <= NEAR
        first = np.where(near.any(axis=2), np.array(found.calls)[near.argmax(axis=2)], last)
        cells[policy] = [
            f"{first.mean():.0f}",
            f"{near.any(axis=2).mean():.0%}",
            _crossing(found.means[policy], found.calls),
        ]
    return _grid(title, ["calls", "reached", "mean curve"], cells)


def _crossing(means: np.ndarray, calls: Sequence[int]) -> str:
    """Where the mean regret falls to NEAR for the first time."""
    below = np.flatnonzero(means <= NEAR)
    if not len(below):
        return f"> {calls[-1]}"
    at = int(below[0])
    if at == 0:
        return f"<= {calls[0]}"
    share = (means[at - 1] - NEAR) / (means[at - 1] - means[at])
    return f"{calls[at - 1] * (calls[at] / calls[at - 1]) ** share:.0f}"


def _ratio(found: Readings) -> str:
    if not found.rivals:
        return ""
    cells = {"(best baseline)": found.rivals}
    for policy, means in found.means.items():
        row = []
        for i, rival in enumerate(found.rivals):
            base = found.means[rival][i]
            if base == 0:
                row.append("-")
                continue
            text = f"{means[i] / base:.2f}"
            if policy not in BASELINES:
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratios = found.drawn[policy][:, i] / found.drawn[rival][:, i]
                low, high = _interval(ratios[np.isfinite(ratios)])
                text += f" [{low:.2f}, {high:.2f}]"
            row.append(text)
        cells[policy] = row
    title = "Mean regret as a multiple of the best baseline's at the same calls"
    return _grid(title, [str(c) for c in found.calls], cells)


def _table(found: Readings, place: int) -> str:
    cells = {
        policy: [f"{mean:.2f}" for mean in values[place].mean(axis=0)]
        for policy, values in found.regret.items()
    }
    return _grid(found.tables[place], [str(c) for c in found.calls], cells)


def _interval(draws: np.ndarray) -> np.ndarray:
    return np.quantile(draws, (0.025, 0.975), axis=0)


def _grid(title: str, head: Sequence[str], rows: dict[str, list[str]]) -> str:
    """A table in plain text, columns aligned to the right."""
    lines = [["", *head], *([name, *cells] for name, cells in rows.items())]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head) + 1)]
    body = [
        line[0].ljust(widths[0])
        + "".join(cell.rjust(width + 2) for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    ]
    return "\n".join([title, *body])
