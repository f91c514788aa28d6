"""A test split wears out: each opening spends some of the error that the split has.

Method: online fallback (Tian & Ramdas 2021, "Online control of the familywise error rate"), which
holds under any dependence between the decisions; here the same rows and the same champion's answers
come again. One-sided level of opening j of a split:

    level_j = min(CAP, ERROR * gamma_j + (level_(j-1) if opening j-1 promoted, else 0))
    gamma_j = 1 / (j (j + 1)),  which sums to 1

The chance that a split ever promotes a challenger that is not better is at most ERROR. A promotion
passes its level on. The first opening has half of the error, so that its verdict is that of the
95 % interval; after j openings without a promotion ERROR / (j + 1) is left.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

from promptlathe.records import content_hash

if TYPE_CHECKING:  # SQLAlchemy takes half a second, and what shows a result needs none
    from promptlathe.ledger import Opening

ERROR = 0.05
"""Chance that the openings of one split promote anything that is not better."""
CAP = 0.025
"""The one-sided error of the 95 % interval: no verdict is bolder than what is shown."""
FRESH = 0.5
"""Share of rows that no opening has seen from which on the rows are a new split."""
WORTH, CHANCE, SPREAD = 0.15, 0.5, 0.5
"""Exhausted: a gain of WORTH is shown with less than CHANCE. SPREAD: standard deviation of the
paired difference, as when a quarter of the rows differ."""


@dataclass(frozen=True, slots=True)
class Level:
    """What an opening may spend."""

    split: str
    number: int
    """Of the split, from 1."""
    level: float
    """One-sided error of `better`."""
    exhausted: bool
    """Hardly any gain could be shown: fresh rows are due."""
    known: "Opening | None" = None
    """The earlier opening that decided between the same prompts on the same rows: no new look."""

    @property
    def alpha(self) -> float:
        """Two-sided error of the interval that the verdict goes by."""
        return 2 * self.level


def level_of(
    openings: "Sequence[Opening]", *, rows: Iterable[str], baseline: str, challenger: str
) -> Level:
    """The level of the next opening on these rows; `openings` are all earlier ones, in order."""
    wanted = frozenset(rows)
    for one in openings:
        if (one.rows, one.baseline, one.challenger) == (wanted, baseline, challenger):
            return Level(one.split, one.number, one.level, _exhausted(one, len(wanted)), one)
    split = split_of(openings, wanted)
    earlier = [one for one in openings if one.split == split]
    number = len(earlier) + 1
    level = spend(number, earlier[-1].level if earlier and earlier[-1].promoted else 0.0)
    return Level(split, number, level, number > 1 and power(level, len(wanted)) < CHANCE)


def split_of(openings: "Sequence[Opening]", rows: frozenset[str]) -> str:
    """The split that these rows belong to: the one that saw most, unless FRESH are new."""
    seen = frozenset[str]().union(*(one.rows for one in openings))
    if len(rows - seen) >= FRESH * len(rows):
        return content_hash(sorted(rows))
    return max(reversed(openings), key=lambda one: len(one.rows & rows)).split


def spend(number: int, returned: float = 0.0) -> float:
    """One-sided level of opening `number` (from 1); `returned`: what a promotion passes on."""
    return min(CAP, ERROR / (number * (number + 1)) + returned)


def power(level: float, rows: int, gain: float = WORTH, spread: float = SPREAD) -> float:
    """Chance that a true gain is shown, by the normal approximation."""
    normal = NormalDist()
    return normal.cdf(gain * math.sqrt(rows) / spread - normal.inv_cdf(1 - level))


def words(level: Level, *, rows: int, unopened: int = 0, split: str = "test") -> str:
    """A sentence for the terminal and the report; empty for a first opening. unopened: how many of
    the rows no earlier decision has seen."""
    if level.known:
        return f"{split}: the same decision as opening {level.number}, no new look"
    if level.number == 1:
        return ""
    shown = f"{split} opened {level.number} times: `better` needs the "
    shown += f"{100 * (1 - level.alpha):.4g} % interval above zero; "
    shown += f"{unopened} of its {rows} rows were never opened before"
    if not level.exhausted:
        return shown
    return f"{shown}; fresh rows are due: add {rows} rows to {split}, or replace half of its {rows}"


def _exhausted(opening: "Opening", rows: int) -> bool:
    return opening.number > 1 and power(opening.level, rows) < CHANCE
