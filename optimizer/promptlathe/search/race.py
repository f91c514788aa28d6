"""The race: candidates meet the same examples in the same seeded order; losers leave early.

After 16, 32, 64 … examples a candidate is compared with the leader (the best of those that have
met every example, at first the seed prompt) on the examples that both have answered. It is
dropped when its mean is lower and the one-sided paired test (stats.worse_probability) says so at
ALPHA. The level is loose on purpose, as in CAPO: dropping an equal costs little, since another
candidate takes its calls; what is decided on these examples is never reported as the result.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from promptlathe.records import Candidate, Cell, Example, Outcome, Standing
from promptlathe.search.stats import estimate, worse_probability
from promptlathe.search.study import Study
from promptlathe.space import BoundSpace

ALPHA = 0.2
FIRST_CHECKPOINT = 16
MAX_DUPLICATES = 10
"""Suggestions in a row that were tried before, until a random draw is taken instead."""
MAX_DRAWS = 500


@dataclass
class Entrant:
    """A candidate in the race; `values` holds its scores by the example's place."""

    number: int
    candidate: Candidate
    goal: int
    """It may be sent this many examples before the next comparison."""
    sent: int = 0
    told: int = 0
    state: Literal["running", "dropped", "complete"] = "running"
    values: dict[int, float] = field(default_factory=dict[int, float])
    tokens: int = 0
    tokens_known: bool = True
    cost: float | None = 0.0
    failures: int = 0
    unparsed: int = 0

    def take(self, place: int, outcome: Outcome) -> None:
        """Add an outcome; a failure is counted and leaves no value."""
        self.told += 1
        if outcome.value is None:
            self.failures += 1
            return
        self.values[place] = outcome.value
        self.unparsed += outcome.unparsed
        self.tokens += outcome.tokens or 0
        self.tokens_known = self.tokens_known and outcome.tokens is not None
        known = self.cost is not None and outcome.cost is not None
        self.cost = self.cost + outcome.cost if known else None  # type: ignore[operator]

    @property
    def mean(self) -> float:
        """Mean score; 0 when nothing was answered."""
        return sum(self.values.values()) / len(self.values) if self.values else 0.0

    @property
    def tokens_per_call(self) -> float:
        return self.tokens / len(self.values) if self.values else 0.0

    @property
    def rank(self) -> tuple[bool, float, float, int]:
        """Higher is better: the score, then the cheaper, then the earlier.

        Who never got an answer has no score, which is worse than any.
        """
        return bool(self.values), self.mean, -self.tokens_per_call, -self.number

    def standing(self) -> Standing:
        return Standing(
            candidate=self.candidate,
            estimate=estimate([self.values[place] for place in sorted(self.values)]),
            state=self.state,
            calls=self.told,
            tokens=self.tokens if self.tokens_known else None,
            cost=self.cost,
            failures=self.failures,
            unparsed=self.unparsed,
            number=self.number,
        )


class RacePolicy:
    """A `Policy`: an Optuna sampler names candidates, the paired race shares out the examples.

    The seed prompt runs first and meets every example, so that there is always a baseline.
    """

    def __init__(
        self, space: BoundSpace, examples: Sequence[Example], *, study: Study, seed: int
    ) -> None:
        rng = np.random.default_rng([seed, 1])
        by_id = sorted(examples, key=lambda example: example.id)
        self._examples = [by_id[i] for i in rng.permutation(len(by_id))]
        self._place = {example.id: i for i, example in enumerate(self._examples)}
        self._space, self._study, self._rng = space, study, rng
        self._entrants: dict[str, Entrant] = {}
        self._exhausted = False
        self._seed = self._enter(study.ask(space.space.seed_levels).number, space.seed)
        self._seed.goal = len(self._examples)

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        """Candidates under way come first, in order of entry; then a new one."""
        cells: list[Cell] = []
        running = [e for e in self._entrants.values() if e.state == "running"]
        while len(cells) < limit:
            entrant = next((e for e in running if e.sent < e.goal), None)
            if entrant is None:
                entrant = self._newcomer()
                if entrant is None:
                    break
                running.append(entrant)
            cells.append(Cell(entrant.candidate, self._examples[entrant.sent]))
            entrant.sent += 1
        return cells

    def tell(self, outcome: Outcome) -> list[Standing]:
        """At a checkpoint the candidate is dropped, goes on, or is complete."""
        entrant = self._entrants[outcome.cell.candidate.id]
        entrant.take(self._place[outcome.cell.example.id], outcome)
        if entrant.told < entrant.goal or entrant.state != "running":
            return []
        if entrant.values:
            self._study.report(entrant.number, entrant.mean, entrant.told)
        if entrant is not self._seed and self._loses(entrant):
            entrant.state = "dropped"
            self._close(entrant)
        elif entrant.told == len(self._examples):
            entrant.state = "complete"
            self._close(entrant)
        else:
            entrant.goal = min(entrant.goal * 2, len(self._examples))
        return [entrant.standing()] if entrant.state != "running" else []

    @property
    def best(self) -> Standing:
        return self._leader().standing()

    @property
    def seed(self) -> Standing:
        return self._seed.standing()

    @property
    def standings(self) -> Sequence[Standing]:
        return [entrant.standing() for entrant in self._entrants.values()]

    @property
    def finish_reason(self) -> str | None:
        return "every candidate of the space was tried" if self._exhausted else None

    def close(self) -> None:
        for number in self._study.open_numbers:
            self._study.discard(number, "the search ended before it was decided")

    def _leader(self) -> Entrant:
        """The best that met every example; before there is one, the seed."""
        complete = [e for e in self._entrants.values() if e.state == "complete"]
        return max(complete, key=lambda e: e.rank, default=self._seed)

    def _loses(self, entrant: Entrant) -> bool:
        """The paired test against the leader on common examples; two objectives: see below.

        When tokens count too (nsga2), only a leader that is not dearer can drop a candidate.
        """
        if not entrant.values:
            return True
        leader = self._leader()
        if self._study.multi_objective and leader.tokens_per_call > entrant.tokens_per_call:
            return False
        common = sorted(entrant.values.keys() & leader.values.keys())
        differences = [entrant.values[place] - leader.values[place] for place in common]
        return sum(differences) < 0 and worse_probability(differences) < ALPHA

    def _close(self, entrant: Entrant) -> None:
        if not entrant.values:
            self._study.discard(entrant.number, "no call was answered")
        elif entrant.state == "dropped":
            self._study.prune(entrant.number, entrant.mean, entrant.tokens_per_call)
        else:
            self._study.complete(entrant.number, entrant.mean, entrant.tokens_per_call)

    def _newcomer(self) -> Entrant | None:
        """The sampler's next suggestion that is allowed and new; else a random one; else None."""
        if self._exhausted:
            return None
        for _ in range(MAX_DUPLICATES):
            proposal = self._study.ask()
            if not self._space.space.allows(proposal.levels):
                self._study.discard(proposal.number, "forbidden by a constraint")
                continue
            candidate = self._space.candidate(proposal.levels)
            known = self._entrants.get(candidate.id)
            if known is None:
                return self._enter(proposal.number, candidate)
            if known.state == "running":
                self._study.discard(proposal.number, "under way already")
            elif not known.values:
                self._study.discard(proposal.number, "known already, and never answered")
            else:
                self._study.complete(
                    proposal.number, known.mean, known.tokens_per_call, "known already"
                )
        for _ in range(MAX_DRAWS):
            levels = self._space.space.draw(self._rng)
            candidate = self._space.candidate(levels)
            if candidate.id not in self._entrants:
                return self._enter(self._study.ask(levels).number, candidate)
        self._exhausted = True
        return None

    def _enter(self, number: int, candidate: Candidate) -> Entrant:
        goal = min(FIRST_CHECKPOINT, len(self._examples))
        entrant = Entrant(number, candidate, goal)
        self._entrants[candidate.id] = entrant
        return entrant
