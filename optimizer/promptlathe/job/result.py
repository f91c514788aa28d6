"""What a job ends with, and its machine-readable form (docs/reference/result.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptlathe.decide import Comparison, Verdict
from promptlathe.evaluate.meter import Spent
from promptlathe.records import Candidate, Estimate, Message, Scalar, Standing, Value


@dataclass(frozen=True)
class Side:
    """One prompt of the final comparison."""

    levels: Mapping[str, Value]
    messages: tuple[Message, ...]
    """Components filled in; `{{ field }}` of the row are still placeholders."""
    parameters: Mapping[str, Scalar]
    """Model parameters that the prompt sets."""
    candidate: str
    """The content hash."""
    select: Estimate | None
    """Score on the `select` split, where the search chose it: optimistic for the best."""

    @classmethod
    def of(cls, candidate: Candidate, standing: Standing | None = None) -> "Side":
        return cls(
            dict(candidate.levels),
            candidate.prompt.messages,
            dict(candidate.prompt.parameters),
            candidate.id,
            standing.estimate if standing else None,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "candidate": self.candidate,
            "levels": dict(self.levels),
            "messages": [message.to_dict() for message in self.messages],
            "parameters": dict(self.parameters),
            "select": _estimate(self.select),
        }


@dataclass(frozen=True)
class Test:
    """The final comparison on held-out rows, paired. Score units; higher is better."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    seed: float
    best: float
    gain: float
    interval: tuple[float, float]
    """95 % interval of the gain, (low, high)."""
    examples: int
    missing: int
    """Rows left out because a call failed or the budget ended."""

    @classmethod
    def of(cls, comparison: Comparison) -> "Test":
        return cls(
            comparison.baseline,
            comparison.challenger,
            comparison.gain,
            (comparison.low, comparison.high),
            comparison.examples,
            comparison.missing,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "best": self.best,
            "gain": self.gain,
            "interval": list(self.interval),
            "examples": self.examples,
            "missing": self.missing,
        }


@dataclass(frozen=True)
class Result:
    """A finished job."""

    run_id: str | None
    """The MLflow run; None when tracking is off."""
    run: str
    """The ledger's name of the run, by which its order can be replayed."""
    verdict: Verdict
    finish_reason: str
    seed: Side
    best: Side
    recommended: Literal["seed", "best"]
    """Which to use: on a tie the seed, or the best when it is cheaper and not lower."""
    test: Test
    champion: Test | None
    """The best against the registered champion, whose score stands in `seed`."""
    promoted: int | None
    """Version in the prompt registry that got the alias `champion`; None when none did."""
    notes: tuple[str, ...]
    standings: tuple[Standing, ...]
    """Every candidate that was proposed."""
    spent: Spent
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, with the keys that docs/reference/result.md describes."""
        return {
            "run_id": self.run_id,
            "run": self.run,
            "verdict": self.verdict,
            "finish_reason": self.finish_reason,
            "seed": self.seed.to_dict(),
            "best": self.best.to_dict(),
            "recommended": self.recommended,
            "test": self.test.to_dict(),
            "champion": self.champion.to_dict() if self.champion else None,
            "promoted": self.promoted,
            "notes": list(self.notes),
            "candidates": len(self.standings),
            "calls": {"total": self.spent.calls, "task": self.spent.calls},
            "tokens": {"total": self.spent.tokens, "task": self.spent.tokens},
            "cached": {"calls": self.spent.cached_calls, "tokens": self.spent.cached_tokens},
            "cost_usd": self.spent.usd,
            "seconds": round(self.seconds, 3),
        }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "mean": estimate.mean,
        "interval": [estimate.low, estimate.high],
        "examples": estimate.n,
    }
