"""The race: candidates meet the same examples in the same seeded order; losers leave early.

After 16, 32, 64 … examples a candidate is compared with the leader (the best of those that have
met every example, at first the seed prompt) on the examples that both have answered. It is
dropped when its mean is lower and the one-sided paired test (stats.worse_probability) says so at
ALPHA. The level is loose on purpose, as in CAPO: dropping an equal costs little, since another
candidate takes its calls; what is decided on these examples is never reported as the result.
"""

from collections.abc import Collection, Sequence

from promptlathe.records import Cell, Dropped, Example, Outcome, Standing
from promptlathe.search.candidate_pool import CandidatePool
from promptlathe.search.pooled import PooledCandidate
from promptlathe.search.stats import worse_probability
from promptlathe.search.study import Study
from promptlathe.space import BoundSpace

ALPHA = 0.2
SURE = 0.05
"""The level at which a candidate that has not met every example takes the leader's place: most
newcomers are worse than the leader, so being ahead by luck is likelier than being better."""
FIRST_CHECKPOINT = 16


class RacePolicy:
    """A `Policy`: an Optuna sampler names candidates, the paired race shares out the examples.

    The seed prompt runs first and meets every example, so that there is always a baseline.
    """

    def __init__(
        self, space: BoundSpace, examples: Sequence[Example], *, study: Study, seed: int
    ) -> None:
        self._pool = CandidatePool(space, examples, study=study, seed=seed)
        self._multi_objective = study.multi_objective
        self._seed = self._pool.seed
        self._seed.goal = self._pool.examples
        self._running = [self._seed]

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        """Candidates under way come first, in order of entry; then a new one."""
        cells: list[Cell] = []
        while len(cells) < limit:
            member = next((e for e in self._running if e.sent < e.goal), None)
            if member is None:
                member = self._pool.suggested()
                if member is None:
                    break
                member.goal = min(FIRST_CHECKPOINT, self._pool.examples)
                self._running.append(member)
            cells.append(self._pool.send(member))
        return cells

    def tell(self, event: Outcome | Dropped) -> list[Standing]:
        """At a checkpoint the candidate is dropped, goes on, or is complete."""
        if isinstance(event, Dropped):
            return []
        member = self._pool.take(event)
        if member.told < member.goal:
            return []
        self._pool.report(member)
        if member is not self._seed and self._is_dropped(member):
            member.state = "dropped"
        elif member.told == self._pool.examples:
            member.state = "complete"
        else:
            member.goal = min(member.goal * 2, self._pool.examples)
            return []
        self._running.remove(member)
        return [self._pool.settle(member)]

    @property
    def best(self) -> Standing:
        """The leader, or who is about to take its place when the budget ends.

        That is a candidate under way that has come to a comparison and is surely better.
        """
        best = self._leader()
        compared = [e for e in self._running if e.told >= FIRST_CHECKPOINT and e.reliable]
        for member in compared:
            if _loses(best, member, SURE):
                best = member
        return best.standing()

    @property
    def seed(self) -> Standing:
        return self._seed.standing()

    @property
    def standings(self) -> Sequence[Standing]:
        return self._pool.standings

    @property
    def finish_reason(self) -> str | None:
        return self._pool.finish_reason

    def extend(self, space: BoundSpace) -> None:
        self._pool.extend(space)

    def close(self) -> None:
        self._pool.close()

    def _leader(self) -> PooledCandidate:
        """The best that met every example; before there is one, the seed."""
        complete = [e for e in self._pool.members if e.state == "complete"]
        return max(complete, key=lambda e: e.rank(e.mean), default=self._seed)

    def _is_dropped(self, member: PooledCandidate) -> bool:
        """It loses to the leader, or never answered.

        When tokens count too (nsga2), only a leader that is not dearer can drop a candidate.
        """
        if not member.values:
            return True
        leader = self._leader()
        if self._multi_objective and leader.price > member.price:
            return False
        return _loses(member, leader)


def _loses(one: PooledCandidate, other: PooledCandidate, level: float = ALPHA) -> bool:
    """The paired test on the examples that both have answered."""
    common = sorted(one.values.keys() & other.values.keys())
    differences = [one.values[place] - other.values[place] for place in common]
    return sum(differences) < 0 and worse_probability(differences) < level
