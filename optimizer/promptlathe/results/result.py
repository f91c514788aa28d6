"""What a job ends with, and its machine-readable form (docs/reference/result.md)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from promptlathe.decide import Comparison, Verdict
from promptlathe.records import (
    PROMPT,
    Candidate,
    Estimate,
    FinalistName,
    Json,
    Message,
    Prompt,
    Role,
    Standing,
    Value,
    in_short,
)
from promptlathe.results.answers import AnswerCounts
from promptlathe.results.curve import CurvePoint
from promptlathe.results.facts import Facts
from promptlathe.results.frames import Frames
from promptlathe.results.judges import JudgeReport
from promptlathe.results.limits import Checked
from promptlathe.results.pareto import cost_per_call, pareto, tokens_per_call
from promptlathe.results.rows import DecidedRow, changed
from promptlathe.results.steps import StepReport
from promptlathe.runtime.account import Spent, Usage
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.operators import LevelLineage, OperatorReport

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finalist:
    """One prompt of the final comparison."""

    levels: Mapping[str, Value]
    prompts: Mapping[str, Prompt]
    """By name. Components are filled in; `{{ field }}` of the row are still placeholders."""
    candidate: str
    """The content hash."""
    select: Estimate | None
    """Score on the `select` split, where the search chose it: optimistic for the best."""
    answers: AnswerCounts
    """What became of its answers, on both splits."""

    @classmethod
    def of(
        cls, candidate: Candidate, answers: AnswerCounts, standing: Standing | None = None
    ) -> "Finalist":
        return cls(
            dict(candidate.levels),
            candidate.prompts,
            candidate.id,
            standing.estimate if standing else None,
            answers,
        )

    def __repr__(self) -> str:
        score = f"{self.select.mean:.3f} on select, " if self.select else ""
        return f"Finalist({self.candidate}, {score}{in_short(dict(self.levels))})"

    @property
    def messages(self) -> tuple[Message, ...]:
        """Those of the only prompt. Raises ValueError when there are several."""
        (prompt,) = self.prompts.values()
        return prompt.messages

    @property
    def parameters(self) -> Mapping[str, Json]:
        """The model parameters that the only prompt sets."""
        (prompt,) = self.prompts.values()
        return dict(prompt.parameters)

    def to_dict(self) -> dict[str, Any]:
        named = {name: _prompt(prompt) for name, prompt in self.prompts.items()}
        content = named[PROMPT] if list(named) == [PROMPT] else {"prompts": named}
        return {
            "candidate": self.candidate,
            "levels": dict(self.levels),
            **content,
            "select": _estimate(self.select),
            "answers": self.answers.to_dict(),
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
    """Rows that were asked and have no answer: the interval allows for any."""
    unasked: int
    """Rows that were not asked since the budget ended."""
    failed_seed: int
    """Answers that the prompt itself made fail: the worst score."""
    failed_best: int

    @classmethod
    def of(cls, comparison: Comparison) -> "Test":
        return cls(
            comparison.baseline,
            comparison.challenger,
            comparison.gain,
            (comparison.low, comparison.high),
            comparison.examples,
            comparison.missing,
            comparison.unasked,
            comparison.failed_baseline,
            comparison.failed_challenger,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "best": self.best,
            "gain": self.gain,
            "interval": list(self.interval),
            "examples": self.examples,
            "missing": self.missing,
            "unasked": self.unasked,
            "failed": {"seed": self.failed_seed, "best": self.failed_best},
        }


@dataclass(frozen=True)
class Result:
    """A finished job."""

    run_id: str | None
    """The MLflow run; None when tracking is off."""
    run: str
    """The ledger's name of the run, by which its order can be replayed."""
    verdict: Verdict
    """Of the best prompt, against `compared_with`."""
    compared_with: Literal["seed", "champion"]
    """The registered champion when there is one."""
    finish_reason: str
    seed: Finalist
    best: Finalist
    champion: Finalist | None
    """The registered champion."""
    recommended: FinalistName
    """Which to use; never one that is worse than the champion."""
    reason: str
    """Why that one, in words."""
    test: Test
    """The best against the seed."""
    test_champion: Test | None
    """The best against the champion, whose score stands in `seed`."""
    opened: int
    """How often these test rows were opened for a decision, this one included."""
    promoted: int | None
    """Version in the prompt registry that got the alias `champion`, of several prompts the first
    one's; None when none did."""
    notes: tuple[str, ...]
    answers: AnswerCounts
    """What became of the answers of all candidates."""
    samples: Mapping[str, str]
    """The first answer in each state."""
    standings: tuple[Standing, ...]
    """Every candidate that was proposed."""
    by_candidate: tuple[AnswerCounts, ...]
    """What became of the answers of each, in their order."""
    spent: Spent
    usd_at_most: float | None
    """USD, with attempts that failed and may be charged for; None when a price is unknown."""
    seconds: float
    unopened: int | None = None
    """Of these test rows those that no earlier decision has seen; None: a version did not count."""
    registered: Mapping[str, int] = field(default_factory=dict[str, int])
    """Versions by name in the prompt registry, of all prompts that were promoted."""
    proposed: Mapping[str, int] = field(default_factory=dict[str, int])
    """The same of those that became the challenger, and wait for somebody to promote them."""
    limits: tuple[Checked, ...] = ()
    """The objective's limits, with what seed and best took on `test`."""
    judges: tuple[JudgeReport, ...] = ()
    """How far the verdicts of judges may be off."""
    found_in_best: tuple[Contrast, ...] = ()
    """What `in_best` shows."""
    found_effects: tuple[Effect, ...] = ()
    """What `effects` shows."""
    lineage: tuple[LevelLineage, ...] = ()
    """The levels that operators made, and what became of them."""
    operators: tuple[OperatorReport, ...] = ()
    """What each operator did."""
    steps: tuple[StepReport, ...] = ()
    """Of a chain, each step by itself."""
    rows: tuple[DecidedRow, ...] = ()
    """The held-out rows that were asked, in order, with what the finalists answered."""
    curve: tuple[CurvePoint, ...] = ()
    """How the search went, by calls."""
    facts: Facts = field(default_factory=Facts)
    """What the job was."""

    def __repr__(self) -> str:
        test = self.decisive
        low, high = test.interval
        return (
            f"Result({self.run}: {self.verdict}, {self.compared_with} {test.seed:.3f} → best "
            f"{test.best:.3f}, gain {test.gain:+.3f} [{low:+.3f}, {high:+.3f}], "
            f"{test.examples} test rows)"
        )

    @property
    def changed(self) -> tuple[DecidedRow, ...]:
        """The rows of the decision that the best prompt fixed or broke, what changed most first."""
        return changed(self.rows)

    @property
    def decisive(self) -> Test:
        """The comparison that the verdict is of."""
        return self.test_champion or self.test

    @property
    def chosen(self) -> Finalist:
        """The recommended one."""
        if self.recommended == "champion" and self.champion is not None:
            return self.champion
        return self.best if self.recommended == "best" else self.seed

    def apply(self, given: Any) -> Any:
        """A copy of a LangChain, LlamaIndex or DSPy object with the recommended prompts.

        given: what the space was made from, or one like it; it stays as it is, and the copy keeps
        its models. Raises InputError for one with other prompts.
        """
        from promptlathe.targets.frameworks import applied

        return applied(given, self.chosen.prompts)

    @property
    def frames(self) -> Frames:
        """The records as data frames: `frames.standings`, `effects`, `in_best`, `rows`, `lineage`,
        `operators`, `curve`."""
        return Frames(self)

    @property
    def effects(self) -> "pd.DataFrame":
        """What works on average: `frames.effects`."""
        return self.frames.effects

    @property
    def _used(self) -> list[tuple[Role, Usage]]:
        return [(role, self.spent.of(role)) for role in ROLES]

    @property
    def pareto(self) -> tuple[Standing, ...]:
        """The candidates that no other beats in both quality and price, cheapest first."""
        return pareto(self.standings)

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, with the keys that docs/reference/result.md describes."""
        return {
            "run_id": self.run_id,
            "run": self.run,
            "job": _facts(self.facts),
            "verdict": self.verdict,
            "compared_with": self.compared_with,
            "finish_reason": self.finish_reason,
            "seed": self.seed.to_dict(),
            "best": self.best.to_dict(),
            "champion": self.champion.to_dict() if self.champion else None,
            "recommended": self.recommended,
            "reason": self.reason,
            "test": self.test.to_dict(),
            "test_champion": self.test_champion.to_dict() if self.test_champion else None,
            "opened": self.opened,
            "unopened": self.unopened,
            "promoted": self.promoted,
            "registered": dict(self.registered),
            "proposed": dict(self.proposed),
            "notes": list(self.notes),
            "limits": [checked.to_dict() for checked in self.limits],
            "judges": [one.to_dict() for one in self.judges],
            "in_best": [asdict(one) for one in self.found_in_best],
            "effects": [asdict(effect) for effect in self.found_effects],
            "pareto": [_point(standing) for standing in self.pareto],
            "lineage": [one.to_dict() for one in self.lineage],
            "operators": [asdict(one) for one in self.operators],
            "steps": [one.to_dict() for one in self.steps],
            "changed": [one.to_dict() for one in self.changed],
            "answers": {**self.answers.to_dict(), "samples": dict(self.samples)},
            "candidates": len(self.standings),
            "calls": _by_role(self.spent.calls, {r: u.calls for r, u in self._used}),
            "tokens": _by_role(self.spent.tokens, {r: u.tokens for r, u in self._used}),
            "usd": _by_role(self.spent.usd, {r: u.usd for r, u in self._used}),
            "usd_at_most": self.usd_at_most,
            "cached": {"calls": self.spent.cached_calls, "tokens": self.spent.cached_tokens},
            "cost_usd": self.spent.usd,
            "seconds": round(self.seconds, 3),
        }


ROLES: tuple[Role, ...] = ("task", "rewrite", "judge")


def _by_role(total: float | None, parts: Mapping[Role, float | None]) -> dict[str, float | None]:
    return {"total": total, **parts}


def _prompt(prompt: Prompt) -> dict[str, Any]:
    return {
        "messages": [message.to_dict() for message in prompt.messages],
        "parameters": dict(prompt.parameters),
        **({"fills": dict(prompt.fills)} if prompt.fills else {}),
        **({"tool_keys": dict(prompt.tool_keys)} if prompt.tool_keys else {}),
    }


def _facts(facts: Facts) -> dict[str, Any]:
    """Times in ISO's form."""
    times = {"began": facts.began.isoformat(), "ended": facts.ended.isoformat()}
    lists = {"scorers": list(facts.scorers), "labels": list(facts.labels)}
    return {**asdict(facts), **lists, **times}


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
        "modelled": estimate.modelled,
    }
