"""What a judge said of an output, and what several of its answers come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from promptlathe.records import Score, Trace
from promptlathe.scoring.scorer import Unscored

UNREADABLE = "the judge's answer could not be read"


@dataclass(frozen=True)
class Verdict:
    """One answer of a judge."""

    value: float
    said: str
    """The level, in the judge's words."""
    rationale: str | None = None


def settled(verdicts: Sequence[Verdict], samples: int) -> bool:
    """More than half of all samples agree: what is left cannot change the median."""
    most = max(Counter(one.value for one in verdicts).values(), default=0)
    return most > samples / 2


def decided(verdicts: Sequence[Verdict], samples: int, trace: Trace) -> Score:
    """The median, which is the majority's value where there is one. Raises `Unscored` when fewer
    than half of the samples could be read."""
    if len(verdicts) <= samples // 2:
        raise Unscored(UNREADABLE)
    value = median(one.value for one in verdicts)
    shown = next((one for one in verdicts if one.value == value), verdicts[0])
    rationale = shown.rationale
    said = Counter(one.said for one in verdicts)
    if len(said) > 1:
        counted = ", ".join(f"{times} × {one}" for one, times in said.most_common())
        told = "the samples disagree" if settled(verdicts, samples) else "no majority, the median"
        rationale = f"{told} ({counted})" + (f": {rationale}" if rationale else "")
    return Score(value, trace.text.strip() or None, rationale)
