"""Which prompt to use: seed, champion or best. Never one that is worse than the champion."""

from dataclasses import dataclass
from typing import Literal

from promptlathe.decide.comparison import Comparison, Verdict
from promptlathe.records import FinalistName

Held = Literal["kept", "broken", "not shown"]
"""Of all limits of the objective together. `not shown`: the rows are too few to say."""
WORDS = {"broken": "breaks a limit", "not shown": "is not shown to keep a limit"}


@dataclass(frozen=True, slots=True)
class Kept:
    """Who keeps the objective's limits, as far as it is known."""

    seed: Held = "kept"
    champion: Held = "kept"
    best: Held = "kept"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to use, and why."""

    use: FinalistName
    compared_with: Literal["seed", "champion"]
    """Whom the verdict is against: the champion when there is one."""
    verdict: Verdict
    """Of the best prompt."""
    reason: str
    """In words."""


def recommend(
    best_seed: Comparison,
    best_champion: Comparison | None = None,
    champion_seed: Comparison | None = None,
    *,
    kept: Kept | None = None,
    cheaper: bool = False,
) -> Recommendation:
    """By the comparisons challenger_baseline: `best_seed` is the best prompt against the seed.

    cheaper: the best takes fewer tokens per call than whom it is compared with, which decides a
    tie that does not lean against it.
    """
    kept = kept or Kept()
    against: Literal["seed", "champion"] = "champion" if best_champion else "seed"
    found = best_champion or best_seed
    holds = kept.champion if best_champion else kept.seed
    reason = _for_best(found, against, kept=kept.best, holds=holds, cheaper=cheaper)
    behind = best_champion is not None and best_seed.verdict == "worse"
    if reason and not behind:
        return Recommendation("best", against, found.verdict, reason)
    use: FinalistName = against
    why = _against_best(found, against, kept=kept.best)
    if champion_seed and kept.seed == "kept" and champion_seed.verdict == "worse":
        use, why = "seed", "the seed is better than the champion"
    elif (
        champion_seed and kept.seed == "kept" != kept.champion and champion_seed.verdict != "better"
    ):
        use, why = "seed", f"the champion {WORDS[kept.champion]}, and is not better than the seed"
    return Recommendation(use, against, found.verdict, why)


def _for_best(
    found: Comparison, against: str, *, kept: Held, holds: Held, cheaper: bool
) -> str | None:
    """Why the best is to be used; None when it is not. `holds`: of the other."""
    if kept != "kept" or found.verdict == "worse":
        return None
    if found.verdict == "better":
        return f"the best prompt is better than the {against}"
    if found.gain < 0 and holds == "kept":
        return None
    if holds != "kept":
        return f"the {against} {WORDS[holds]}, the best prompt keeps all and is not shown worse"
    return f"as good as the {against}, and takes fewer tokens" if cheaper else None


def _against_best(found: Comparison, against: str, *, kept: Held) -> str:
    if kept != "kept":
        return f"the best prompt {WORDS[kept]}"
    if found.verdict == "worse":
        return f"the best prompt is worse than the {against}"
    if found.verdict == "better":  # than the champion, but worse than the seed
        return "the best prompt is worse than the seed"
    return f"the best prompt is not shown to be better than the {against}"
