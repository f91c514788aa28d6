"""The goal: one number from the scores, higher is better.

    maximize exact_match
    minimize length_error
    maximize 0.7*accuracy + 0.3*brevity

The weights are used as they are written: with weights that sum to 1 it is a weighted mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.scoring.scorer import Range

_TERM = re.compile(r"\s*([+-])\s*(?:(\d+(?:\.\d*)?|\.\d+)\s*\*\s*)?([A-Za-z_]\w*)\s*")
_FORM = "write `maximize NAME`, `minimize NAME` or `maximize 0.7*NAME + 0.3*NAME`"


@dataclass(frozen=True)
class Goal:
    """Signed weights by scorer: negative where less is better."""

    weights: Mapping[str, float]

    def bounds(self, ranges: Mapping[str, Range | None]) -> Range | None:
        """(worst, best) value that there is; None where the range of a score is not known.

        ranges: (lowest, highest) by score.
        """
        worst = best = 0.0
        for name, weight in self.weights.items():
            known = ranges.get(name)
            if known is None:
                return None
            worst += min(weight * known[0], weight * known[1])
            best += max(weight * known[0], weight * known[1])
        return worst, best

    def value(self, scores: Mapping[str, float]) -> float:
        """The weighted sum of the scores. Raises KeyError for a score that is not there."""
        return sum(weight * scores[name] for name, weight in self.weights.items())


def parse_goal(text: str) -> Goal:
    """The goal that `text` writes. Raises ValueError, with the form, for anything else."""
    direction, _, terms = text.strip().partition(" ")
    if direction not in ("maximize", "minimize") or not terms.strip():
        raise ValueError(f"{text!r} is not a goal", _FORM)
    sign = 1.0 if direction == "maximize" else -1.0
    terms = terms.strip()
    terms = terms if terms[0] in "+-" else f"+{terms}"
    weights: dict[str, float] = {}
    end = 0
    while end < len(terms):
        term = _TERM.match(terms, end)
        if term is None or term[3] in weights:
            raise ValueError(f"{text!r} is not a goal", _FORM)
        weights[term[3]] = sign * float(f"{term[1]}{term[2] or 1}")
        end = term.end()
    return Goal(weights)
