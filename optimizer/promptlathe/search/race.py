"""The race: candidates meet the same examples in the same seeded order; losers leave early.

After 16, 32, 64 … examples a candidate is compared with the leader (the best of those that have
met every example, at first the seed prompt) on the examples that both have answered. It is
dropped when its mean is lower and the one-sided paired test (stats.worse_probability) says so at
ALPHA. The level is loose on purpose, as in CAPO: dropping an equal costs little, since another
candidate takes its calls; what is decided on these examples is never reported as the result.
"""

from collections.abc import Collection, Sequence

from promptlathe.records import Cell, Dropped, Example, Outcome, Standing
from promptlathe.search.entrant import Entrant
from promptlathe.search.roster import Roster
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
        self._roster = Roster(space, examples, study=study, seed=seed)
        self._multi_objective = study.multi_objective
        self._seed = self._roster.seed
        self._seed.goal = self._roster.examples
        self._running = [self._seed]

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        """Candidates under way come first, in order of entry; then a new one."""
        cells: list[Cell] = []
        while len(cells) < limit:
            entrant = next((e for e in self._running if e.sent < e.goal), None)
            if entrant is None:
                entrant = self._roster.suggested()
                if entrant is None:
                    break
                entrant.goal = min(FIRST_CHECKPOINT, self._roster.examples)
                self._running.append(entrant)
            cells.append(self._roster.send(entrant))
        return cells

    def tell(self, event: Outcome | Dropped) -> list[Standing]:
        """At a checkpoint the candidate is dropped, goes on, or is complete."""
        if isinstance(event, Dropped):
            return []
        entrant = self._roster.take(event)
        if entrant.told < entrant.goal:
            return []
        self._roster.report(entrant)
        if entrant is not self._seed and self._is_dropped(entrant):
            entrant.state = "dropped"
        elif entrant.told == self._roster.examples:
            entrant.state = "complete"
        else:
            entrant.goal = min(entrant.goal * 2, self._roster.examples)
            return []
        self._running.remove(entrant)
        return [self._roster.settle(entrant)]

    @property
    def best(self) -> Standing:
        """The leader, or who is about to take its place when the budget ends.

        That is a candidate under way that has come to a comparison and is surely better.
        """
        best = self._leader()
        compared = [e for e in self._running if e.told >= FIRST_CHECKPOINT and e.reliable]
        for entrant in compared:
            if _loses(best, entrant, SURE):
                best = entrant
        return best.standing()

    @property
    def seed(self) -> Standing:
        return self._seed.standing()

    @property
    def standings(self) -> Sequence[Standing]:
        return self._roster.standings

    @property
    def finish_reason(self) -> str | None:
        return self._roster.finish_reason

    def extend(self, space: BoundSpace) -> None:
        self._roster.extend(space)

    def close(self) -> None:
        self._roster.close()

    def _leader(self) -> Entrant:
        """The best that met every example; before there is one, the seed."""
        complete = [e for e in self._roster.entrants if e.state == "complete"]
        return max(complete, key=lambda e: e.rank(e.mean), default=self._seed)

    def _is_dropped(self, entrant: Entrant) -> bool:
        """It loses to the leader, or never answered.

        When tokens count too (nsga2), only a leader that is not dearer can drop a candidate.
        """
        if not entrant.values:
            return True
        leader = self._leader()
        if self._multi_objective and leader.price > entrant.price:
            return False
        return _loses(entrant, leader)


def _loses(one: Entrant, other: Entrant, level: float = ALPHA) -> bool:
    """The paired test on the examples that both have answered."""
    common = sorted(one.values.keys() & other.values.keys())
    differences = [one.values[place] - other.values[place] for place in common]
    return sum(differences) < 0 and worse_probability(differences) < level
