"""What a job ends with, and its machine-readable form (docs/reference/result.md)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from promptlathe.decide import Comparison, Verdict
from promptlathe.job.limits import Checked
from promptlathe.job.pareto import cost_per_call, pareto, tokens_per_call
from promptlathe.records import Candidate, Estimate, Message, Scalar, Standing, Value
from promptlathe.runtime.meter import Spent
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.operators import Descent, OperatorReport

if TYPE_CHECKING:
    import pandas as pd


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
    limits: tuple[Checked, ...] = ()
    """The objective's limits, with what seed and best took on `test`."""
    found_effects: tuple[Effect, ...] = ()
    """What `effects` shows."""
    lineage: tuple[Descent, ...] = ()
    """The levels that operators made, and what became of them."""
    operators: tuple[OperatorReport, ...] = ()
    """What each operator did."""

    @property
    def effects(self) -> "pd.DataFrame":
        """What works, and by how much: a line for each level, demo row and interaction.

        Columns: component, level, effect, low, high (points, 95 % interval), calls.
        """
        import pandas as pd

        columns = ["component", "level", "effect", "low", "high", "calls"]
        return pd.DataFrame([asdict(effect) for effect in self.found_effects], columns=columns)

    @property
    def pareto(self) -> tuple[Standing, ...]:
        """The candidates that no other beats in both quality and price, cheapest first."""
        return pareto(self.standings)

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
            "limits": [checked.to_dict() for checked in self.limits],
            "effects": [asdict(effect) for effect in self.found_effects],
            "pareto": [_point(standing) for standing in self.pareto],
            "lineage": [one.to_dict() for one in self.lineage],
            "operators": [asdict(one) for one in self.operators],
            "candidates": len(self.standings),
            "calls": _by_role(self.spent.calls, self.spent.rewrite_calls),
            "tokens": _by_role(self.spent.tokens, self.spent.rewrite_tokens),
            "cached": {"calls": self.spent.cached_calls, "tokens": self.spent.cached_tokens},
            "cost_usd": self.spent.usd,
            "seconds": round(self.seconds, 3),
        }


def _by_role(total: int, rewrite: int) -> dict[str, int]:
    return {"total": total, "task": total - rewrite, "rewrite": rewrite}


def _point(standing: Standing) -> dict[str, Any]:
    """Of the Pareto front."""
    return {
        "candidate": standing.candidate.id,
        "levels": dict(standing.candidate.levels),
        "select": _estimate(standing.estimate),
        "tokens_per_call": tokens_per_call(standing),
        "cost_per_call_usd": cost_per_call(standing),
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "mean": estimate.mean,
        "interval": [estimate.low, estimate.high],
        "examples": estimate.n,
    }
