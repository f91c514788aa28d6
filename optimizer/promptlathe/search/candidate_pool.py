"""Who entered the search: each candidate once, an Optuna trial each, one order of examples.

What the race and successive halving have in common. The order of the examples is seeded, and the
same for all, so that any two members can be compared on the examples that both have met.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from promptlathe.records import Candidate, Cell, Example, Outcome, Standing, Value
from promptlathe.search.pooled import PooledCandidate
from promptlathe.search.study import Study
from promptlathe.space import BoundSpace, Real

MAX_DUPLICATES = 10
"""Suggestions in a row that were tried before, until a random draw is taken instead."""
MAX_DRAWS = 100
"""Random draws in a row that were tried before, until the space is walked through."""
MAX_STEPS = 20_000
"""Combinations that are walked through at most, over the whole search."""


class CandidatePool:
    """The members in order of entry; the seed prompt is the first."""

    def __init__(
        self, space: BoundSpace, examples: Sequence[Example], *, study: Study, seed: int
    ) -> None:
        self._rng = np.random.default_rng([seed, 1])
        by_id = sorted(examples, key=lambda example: example.id)
        self._examples = [by_id[i] for i in self._rng.permutation(len(by_id))]
        self._place = {example.id: i for i, example in enumerate(self._examples)}
        self._study = study
        self._members: dict[str, PooledCandidate] = {}
        self._explore(space)
        self.seed = self._enter(study.ask(space.space.seed_levels).number, space.seed)

    @property
    def members(self) -> Sequence[PooledCandidate]:
        return tuple(self._members.values())

    @property
    def standings(self) -> Sequence[Standing]:
        return [member.standing() for member in self._members.values()]

    @property
    def examples(self) -> int:
        """How many there are."""
        return len(self._examples)

    def send(self, member: PooledCandidate) -> Cell:
        """Its next cell."""
        cell = Cell(member.candidate, self._examples[member.sent])
        member.sent += 1
        return cell

    def take(self, outcome: Outcome) -> PooledCandidate:
        """Whose outcome it was."""
        member = self._members[outcome.cell.candidate.id]
        member.take(self._place[outcome.cell.example.id], outcome)
        return member

    def suggested(self) -> PooledCandidate | None:
        """The sampler's next suggestion that is allowed and new, else a drawn one."""
        for _ in range(0 if self.exhausted else MAX_DUPLICATES):
            proposal = self._study.ask()
            if not self._space.space.allows(proposal.levels):
                self._study.discard(proposal.number, "forbidden by a constraint")
                continue
            candidate = self._space.candidate(proposal.levels)
            known = self._members.get(candidate.id)
            if known is None:
                return self._enter(proposal.number, candidate)
            if known.state == "running":
                self._study.discard(proposal.number, "under way already")
            elif not known.values:
                self._study.discard(proposal.number, "known already, and never answered")
            else:
                self._study.complete(
                    proposal.number, known.mean, known.tokens_per_cell, "known already"
                )
        return self.drawn()

    def drawn(self) -> PooledCandidate | None:
        """A new candidate at random; None when there is none."""
        for levels in () if self.exhausted else self._draws():
            candidate = self._space.candidate(levels)
            if candidate.id not in self._members:
                return self._enter(self._study.ask(levels).number, candidate)
        self.exhausted = True
        return None

    def report(self, member: PooledCandidate) -> None:
        """Its running mean, at a comparison; nothing when its trial is closed."""
        news = member.told > member.reported and member.state == "running"
        if news and member.values:
            member.reported = member.told
            self._study.report(member.number, member.mean, member.told)

    def settle(self, member: PooledCandidate) -> Standing:
        """It was dropped or is complete, and all of its cells are back: close its trial."""
        number, mean, tokens = member.number, member.mean, member.tokens_per_cell
        if not member.values:
            self._study.discard(number, "no call was answered")
        elif member.state == "dropped":
            self._study.prune(number, mean, tokens)
        else:
            self._study.complete(number, mean, tokens)
        return member.standing()

    def extend(self, space: BoundSpace) -> None:
        """The space has grown: there may be new candidates again."""
        self._study.extend(space.space)
        self._explore(space)

    @property
    def finish_reason(self) -> str | None:
        """None until nothing new was found."""
        if not self.exhausted:
            return None
        if self._walked:
            return "every candidate of the space was tried"
        return "no candidate was found that was not tried before"

    def close(self) -> None:
        for number in self._study.open_numbers:
            self._study.discard(number, "the search ended before it was decided")

    def _explore(self, space: BoundSpace) -> None:
        self._space = space
        self._walk = self._steps()
        self._walked = False
        """The walk met every candidate."""
        self.exhausted = False
        """No new candidate could be found."""

    def _draws(self) -> Iterator[dict[str, Value]]:
        """At random; when that finds nothing new, whatever the walk has left."""
        draws = (self._space.space.draw(self._rng) for _ in range(MAX_DRAWS))
        return chain(draws, self._walk)

    def _steps(self) -> Iterator[dict[str, Value]]:
        """Every allowed combination once, up to MAX_STEPS."""
        space = self._space.space
        for step, levels in enumerate(space.combinations()):
            if step == MAX_STEPS:
                return
            yield levels
        self._walked = not any(isinstance(p.domain, Real) for p in space.parameters)

    def _enter(self, number: int, candidate: Candidate) -> PooledCandidate:
        member = self._members[candidate.id] = PooledCandidate(number, candidate)
        return member
