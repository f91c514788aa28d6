"""How a search went: the points of its curves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CurvePoint:
    """After so many calls."""

    calls: int
    """Used: sent, or read from the ledger."""
    seed: float | None
    """The policy's estimate of the seed prompt on `select`, in units of the goal."""
    best: float | None
    """The same of the prompt that was the best by then."""
    usd: float | None = None
    """Spent so far; None when a price is unknown."""
    failures: int = 0
    """Cells that have no score so far, or whose prompt failed."""
