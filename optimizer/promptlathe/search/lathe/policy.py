"""The policy `lathe`: which single cell teaches most about which prompt is best.

After each refit of the model (model.py), rarer as the answers become many, look.py draws the
quality of the candidates: those tried, and points of the space that a draw of the effects likes.

1. The candidate, at random in proportion to the square of what some cells of it are worth
   (worth.py; per token, where tokens are what is paid for); now and then (ANY) any candidate that
   was tried.
2. Its example: examples.py.

An independent residual makes every untried candidate look promising in some draw, so a new one is
taken only while there are fewer than BREADTH * cells ** GROWTH: with infinitely many arms their
number must grow with such a power (Wang, Audibert & Munos 2008, section 3). What is expected to be
the best is always tried.

A model may answer differently when it is asked again: PROBES cells of a candidate that has met
every example are repeated, and from then on such candidates are asked again in the share of the
picks in which a repeat changed a score.

The search ends when, over the last draws, the chance that some candidate beats the recommended one
by more than `margin` is below `doubt`.
"""

import math
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from threadpoolctl import ThreadpoolController

from promptlathe.records import Cell, Dropped, Estimate, Example, Outcome, Standing
from promptlathe.scoring import Limit
from promptlathe.search.lathe.costs import Costs, within
from promptlathe.search.lathe.examples import Examples
from promptlathe.search.lathe.landscape import Landscape, Point, SpaceLandscape
from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.look import Look, look
from promptlathe.search.lathe.memory import Memory, remember
from promptlathe.search.lathe.model import Data, Fit, first_trust, fit
from promptlathe.search.lathe.register import Register
from promptlathe.search.lathe.settings import Earlier, Settings
from promptlathe.search.lathe.table import SILENT, Table
from promptlathe.search.lathe.worth import worth
from promptlathe.search.pooled import PooledCandidate
from promptlathe.search.stats import Z95, estimate
from promptlathe.search.study import Study
from promptlathe.space import BoundSpace

OPENING = 8
"""Candidates at the beginning, each on the same OPENING_CELLS examples."""
OPENING_CELLS = 4
INTRODUCED = 2
"""Candidates with a level that is added mid-run, each on OPENING_CELLS examples."""
NEW = 0.5
"""Share of the cells that go to such candidates, while there are any."""
BREADTH, GROWTH = 1.2, 0.6
ANY = 0.05
"""Share of the cells that go to any candidate that was tried."""
LEAD = 0.15
"""Share of the cells that verify the candidate that would be recommended."""
TIE, SHORTER = 0.5, 0.1
"""Of two candidates whose expected quality differs by less than TIE of the margin, the one that
takes fewer tokens by this share is recommended."""
REFIT = 0.06
"""Share of the answers that must be new before the model is fitted again."""
REFIT_LEAST = 6
PROBES = 12
RECENT = 4
"""Refits whose draws decide whether the search may end."""
FEWEST = 100
"""Answers before the search may end by itself."""
MOST_EARLIER = 200
"""Candidates of earlier runs that are learnt from."""
TOKENS = Limit("tokens", 1.0)
"""Not a limit: expected log tokens are read as the excess over it."""


@dataclass(frozen=True)
class _Pick:
    """A candidate that gets a cell."""

    index: int
    """Its row."""
    anywhere: bool = False
    """On any example, not on one that says much."""


class LathePolicy:
    """A `Policy`; see the module's text."""

    def __init__(
        self,
        space: BoundSpace | Landscape,
        examples: Sequence[Example],
        *,
        study: Study | None,
        seed: int,
        earlier: Sequence[Earlier] = (),
        limits: Sequence[Limit] = (),
        settings: Settings | None = None,
    ) -> None:
        """`study` keeps a trial of each candidate; None: no record is wanted."""
        self._rng = np.random.default_rng([seed, 2])
        by_id = sorted(examples, key=lambda example: example.id)
        self._examples = [by_id[i] for i in self._rng.permutation(len(by_id))]
        self._place = {example.id: i for i, example in enumerate(self._examples)}
        self._settings = settings or Settings()
        self._blas = ThreadpoolController()
        self._plain = SpaceLandscape(space) if isinstance(space, BoundSpace) else space
        self._told_before = [one for one in earlier if one.example in self._place]
        self._memory = self._remember()
        self._landscape = self._memory.over(self._plain)
        self._study = study
        self._table = Table(len(by_id))
        effects = self._settings.effects
        self._register = Register(self._table, self._landscape, effects=effects)
        taken = [limit for limit in limits if not limit.on_score]
        self._limits = Costs(taken) if taken else None
        self._tokens = Costs([TOKENS]) if self._settings.per_token else None
        self._told = self._sent = 0
        self._low, self._high = 0.0, 1.0
        self._start: Fit | None = None
        """Where the next fit starts from."""
        self._look: Look | None = None
        self._value: Array = np.zeros(0)
        """What a cell of each candidate of the look is worth."""
        self._even = True
        """All known scores are the same: there is nothing to model."""
        self._next_fit = 0
        self._plan: deque[_Pick] = deque()
        """Picks until the next refit."""
        self._last = 0
        """The row of the cell that was sent last."""
        self._tasted = False
        """The favourite of the last look was tried."""
        self._probes = 0
        self._changes: list[float] = []
        """How far each repeat was from the answers before it."""
        self._chances: deque[float] = deque(maxlen=RECENT)
        self._finished: str | None = None
        self._seed = self._best = self._register.member(self._register.row(self._landscape.seed))
        self._learn()
        self._choice = Examples(self._rng, self._table, self._memory)
        self._opening = self._open()
        self._newcomers: Iterator[Cell] | None = None
        """First cells of levels that were added mid-run, while there are any."""

    # The seam

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        cells: list[Cell] = []
        while len(cells) < limit and self._finished is None:
            cell = self._next(len(pending) + len(cells))
            if cell is None:
                break
            cells.append(cell)
        return cells

    def tell(self, event: Outcome | Dropped) -> list[Standing]:
        return [] if isinstance(event, Dropped) else self._take(event)

    def _take(self, outcome: Outcome) -> list[Standing]:
        index = self._register.index(outcome.cell.candidate)
        place = self._place[outcome.cell.example.id]
        member = self._table.rows[index].member
        assert member is not None, "an outcome of a cell that was not proposed"
        member.take(place, outcome)
        self._told += 1
        for costs in (self._limits, self._tokens):
            if costs is not None:
                costs.take(index, outcome)
        change = self._table.take(index, place, outcome.value, outcome.soft)
        if change is not None:
            self._changes.append(change)
        if outcome.value is not None:
            self._low, self._high = min(self._low, outcome.value), max(self._high, outcome.value)
        met = self._table.asked[index].all() and member.told == member.sent
        if not met or member.state == "complete":
            return []
        member.state = "complete"
        return [self._standing(member)]

    def extend(self, space: BoundSpace) -> None:
        before, self._plain = self._plain, SpaceLandscape(space)
        if self._memory.directions.size:  # of features that are others now
            self._memory = self._choice.memory = self._remember()
        self._landscape = self._register.landscape = self._memory.over(self._plain)
        if self._study is not None:
            self._study.extend(space.space)
        self._table.describe(self._register.encode([row.point for row in self._table.rows]))
        # The look is kept for the standings; the next cell needs a new one.
        self._start, self._next_fit, self._finished = None, 0, None
        self._chances.clear()
        best = self._table.rows[self._register.index(self._best.candidate)].point
        points = self._plain.with_new_levels(before, best, self._rng, INTRODUCED)
        self._choice.grown = True
        self._newcomers = chain(self._newcomers or (), self._introduce(points, len(points)))

    @property
    def best(self) -> Standing:
        return self._standing(self._best)

    @property
    def seed(self) -> Standing:
        return self._standing(self._seed)

    @property
    def standings(self) -> Sequence[Standing]:
        return [self._standing(member) for member in self._register.members]

    @property
    def finish_reason(self) -> str | None:
        return self._finished

    def close(self) -> None:
        self._fit()
        if self._study is None:
            return
        for member in self._register.members:
            found = self._standing(member).estimate
            levels = dict(self._table.rows[self._register.index(member.candidate)].point)
            note = "" if found else "no call was answered"
            self._study.add(levels, found and found.mean, member.tokens_per_cell, note)

    # Cells

    def _next(self, under_way: int) -> Cell | None:
        if (cell := next(self._opening, None)) is not None:
            return cell
        if self._told >= self._next_fit:
            self._fit()
            if self._finished:
                return None
        if (cell := self._new()) is not None:
            return cell
        if (cell := self._repeat()) is not None:
            return cell
        if self._look is None:
            index = self._any()
            if index is not None:
                return self._send(index, self._example(index))
        elif (cell := self._planned(self._look, under_way)) is not None:
            return cell
        if under_way == 0:
            self._finished = "every cell that could teach something was bought"
        return None

    def _open(self) -> Iterator[Cell]:
        """The seed and a few others, on the same first examples: difficulty against effects."""
        yield from self._first_cells(0)
        learnt = int(np.sum(self._table.asked[1 : len(self._table.rows)].any(1)))
        if (others := OPENING - 1 - learnt) > 0:
            known = self._memory.directions.size > 0
            yield from self._introduce(self._likely(others) if known else self._suggest([]), others)

    def _introduce(self, points: Sequence[Point], count: int) -> Iterator[Cell]:
        """Some of the points, at random, on the first examples."""
        entered = 0
        for i in self._rng.permutation(len(points)):
            if entered == count:
                return
            index = self._register.admit(points[int(i)])
            if index is None or index == 0:
                continue
            yield from self._first_cells(index)
            entered += 1

    def _first_cells(self, index: int) -> Iterator[Cell]:
        for place in self._choice.first()[:OPENING_CELLS]:
            if not self._table.asked[index, place]:
                yield self._send(index, int(place))

    def _likely(self, count: int) -> list[Point]:
        """The best of some draws of the effects, from what earlier runs say of them."""
        landscape, trust = self._landscape, 1 - first_trust(len(self._memory.experts))[0]
        mean, sd = np.zeros((2, landscape.encoder.width, 1))
        for group in landscape.encoder.groups:
            mean[group.columns], sd[group.columns] = trust * group.mean, np.sqrt(group.prior)
        draws = mean + sd * self._rng.standard_normal((len(mean), 2 * count))
        points = landscape.suggest(self._rng, count=4 * OPENING, leaders=[], weights=draws)
        best = np.argmax(self._register.encode(points) @ draws, axis=0)
        return [points[int(i)] for i in dict.fromkeys(best.tolist())]

    def _suggest(self, leaders: Sequence[Point]) -> list[Point]:
        none = np.zeros((self._landscape.encoder.width, 0))
        return self._landscape.suggest(self._rng, count=4 * OPENING, leaders=leaders, weights=none)

    def _new(self) -> Cell | None:
        """A cell of a newcomer, every other time."""
        if self._newcomers is None or self._rng.random() >= NEW:
            return None
        cell = next(self._newcomers, None)
        if cell is None:
            self._newcomers = None
        return cell

    def _any(self) -> int | None:
        """Before anything is known: the candidate that was sent least."""
        asked = self._table.asked[: len(self._table.rows)]
        usable = self._table.usable(len(asked))
        if not usable.any():
            return None
        return int(np.argmin(np.where(usable, asked.sum(1), np.iinfo(int).max)))

    def _planned(self, look: Look, under_way: int) -> Cell | None:
        """The next of the cells until the next refit; those of one candidate go out together.

        They are drawn from one distribution, so their order says nothing; services keep the
        beginning of the last prompts. The one that was asked last goes on.
        """
        while True:
            if not self._plan:
                ahead = max(1, self._next_fit - self._told - under_way)
                drawn = [pick for _ in range(ahead) if (pick := self._draw(look))]
                turn = {index: i for i, index in enumerate(dict.fromkeys(p.index for p in drawn))}
                turn[self._last] = -1
                self._plan.extend(sorted(drawn, key=lambda pick: turn[pick.index]))
                if not self._plan:
                    return None
            pick = self._plan.popleft()
            if self._usable(pick.index):
                places = self._table.left(pick.index)
                place = self._rng.choice(places) if pick.anywhere else self._example(pick.index)
                return self._send(pick.index, int(place))

    def _draw(self, look: Look) -> "_Pick | None":
        """Now and then the one that would be recommended, on any example, which verifies it."""
        if self._rng.random() < LEAD:
            index = self._register.index(self._best.candidate)
            if self._usable(index):
                return _Pick(index, anywhere=True)
        index = self._pick(look)
        return None if index is None else _Pick(index)

    def _usable(self, index: int) -> bool:
        return len(self._table.left(index)) > 0 and self._table.rows[index].silent < SILENT

    def _pick(self, look: Look) -> int | None:
        """The row of the next cell; None when none has an example left."""
        favourite = self._favourite(look)
        if favourite is not None:
            return favourite
        n = len(look.estimate)
        usable = self._table.usable(n)
        if self._rng.random() < ANY and usable.any():
            return int(self._rng.choice(np.flatnonzero(usable)))
        widen = len(self._table.rows) <= BREADTH * self._sent**GROWTH or not usable.any()
        usable = np.concatenate([usable, np.full(len(look.fresh), widen)])
        while usable.any():
            place = self._place_of(look, usable)
            if place < n:
                return place
            usable[place] = False
            index = self._register.admit(look.fresh[place - n])
            if index is not None and self._table.usable(index + 1)[index]:
                return index
        return None

    def _place_of(self, look: Look, usable: Array) -> int:
        """By what its cells are worth; without that the best of a draw."""
        if not self._settings.knowledge:
            q = look.q[:, self._rng.integers(look.q.shape[1])]
            return int(np.argmax(np.where(usable, q, -np.inf)))
        value = np.where(usable, self._value, 0)
        if (total := value.sum()) > 0:
            return int(self._rng.choice(len(value), p=value / total))
        return int(np.argmax(np.where(usable, look.q.mean(1), -np.inf)))

    def _favourite(self, look: Look) -> int | None:
        """An untried point that is expected to be better than the best: it is tried."""
        if self._tasted or not len(look.q_fresh):
            return None
        self._tasted = True
        expected = look.q_fresh
        if self._limits is not None:
            expected = np.where(self._limits.excess(look.phi_fresh) <= 0, expected, -np.inf)
        place = int(np.argmax(expected))
        if expected[place] <= look.estimate[self._register.index(self._best.candidate)]:
            return None
        index = self._register.admit(look.fresh[place])
        return index if index is not None and self._table.usable(index + 1)[index] else None

    def _example(self, index: int) -> int:
        """An example that says much about this row."""
        if not self._settings.choose_examples:
            return int(self._table.left(index)[0])
        return self._choice.next(index, self._look)

    def _repeat(self) -> Cell | None:
        """A cell of a candidate that has met every example, once more."""
        if not self._settings.repeats:
            return None
        if self._probes >= PROBES:
            share = float(np.mean(np.array(self._changes) > 0)) if self._changes else 0.0
            if share == 0 or self._rng.random() >= share:
                return None
        index = self._register.index(self._best.candidate)
        if len(self._table.left(index)) or self._look is None or index >= len(self._look.estimate):
            return None
        answered = np.flatnonzero(self._table.answers[index])
        if not len(answered):
            return None
        self._probes += 1
        fit = self._look.fit
        information = fit.information(fit.u[index : index + 1])[0, answered]
        return self._send(
            index, int(answered[np.argmax(information / self._table.asked[index, answered])])
        )

    def _send(self, index: int, place: int) -> Cell:
        member = self._register.member(index)
        repeat = self._table.send(index, place)
        self._last = index
        member.sent += 1
        self._sent += 1
        return Cell(member.candidate, self._examples[place], repeat)

    # What earlier runs knew

    def _remember(self) -> Memory:
        """What the outcomes say that are no cells of this run; on one thread, as the fits."""
        heard = [one for one in self._told_before if not one.known]
        with self._blas.limit(limits=1, user_api="blas"):
            return remember(heard, self._place, self._plain)

    def _learn(self) -> None:
        """Outcomes of this model and of prompts that the space makes are known cells.

        Of a cell's outcomes the first counts.
        """
        for one in self._told_before:
            point = tuple(one.levels.items())
            if not one.known:
                continue
            if point not in self._register and len(self._register) >= MOST_EARLIER:
                continue
            index = self._register.known(point)
            self._table.know(index, self._place[one.example], one.value)
            self._low, self._high = min(self._low, one.value), max(self._high, one.value)

    # The model

    def _fit(self) -> None:
        """Fit, look, recommend, and see whether the search is over.

        On one thread: the matrices are small, and threads of BLAS that wait for each other while
        calls are under way made it up to ten times slower.
        """
        with self._blas.limit(limits=1, user_api="blas"):
            self._fit_alone()

    def _fit_alone(self) -> None:
        table, n = self._table, len(self._table.rows)
        y = (table.y[:n] - self._low) / (self._high - self._low)
        if np.isnan(y).all():
            return
        self._next_fit = self._told + max(REFIT_LEAST, int(REFIT * self._told))
        groups = self._landscape.encoder.groups
        experts, difficulty = self._memory.experts, self._settings.difficulty
        soft = np.clip((table.soft[:n] - self._low) / (self._high - self._low), 0, 1)
        chances = None if np.isnan(soft).all() else soft
        data = Data(groups, table.phi[:n], y, np.ones(y.shape), difficulty, experts, chances)
        self._even = np.ptp(y[data.known]) == 0
        self._start = fit(data, self._start)
        points = [row.point for row in table.rows]
        effects = self._settings.effects
        found = look(self._start, points, self._landscape, self._rng, effects=effects)
        excess = np.zeros(len(found.q))
        if self._limits is not None:
            self._limits.fit(table.phi[:n], groups)
            fresh = self._limits.excess(found.phi_fresh)
            excess = np.concatenate([self._limits.excess_of_rows(), fresh])
        allowed = within(excess)
        self._look, self._tasted = found, False
        self._plan.clear()
        self._recommend(found, allowed[:n])
        best = self._register.index(self._best.candidate)
        self._value = worth(found, allowed)
        if self._tokens is not None:
            self._tokens.fit(table.phi[:n], groups)
            fresh = self._tokens.excess(found.phi_fresh)
            self._value /= np.exp(np.concatenate([self._tokens.excess_of_rows(), fresh]))
        self._value **= 2
        self._consider_end(found, best, excess <= 0)

    def _recommend(self, look: Look, allowed: Array) -> None:
        """The highest expected quality; on a tie the seed, which needs no change."""
        answered = np.array([self._answers(index) for index in range(len(allowed))])
        if not answered.any() or (self._even and answered[0]):
            self._best = self._seed
            return
        if (answered & allowed).any():
            answered &= allowed
        expected = np.where(answered, look.estimate, -np.inf)
        index = self._shorter(expected, int(np.argmax(expected)))
        self._best = self._register.member(index)

    def _shorter(self, expected: Array, top: int) -> int:
        """Of those that are about as good as the top, one that takes clearly fewer tokens."""
        members = [self._table.rows[index].member for index in range(len(expected))]
        price = np.array([math.inf if one is None else one.price for one in members])
        near = expected >= expected[top] - TIE * self._settings.margin / (self._high - self._low)
        shorter = near & np.isfinite(price[top]) & (price < (1 - SHORTER) * price[top])
        return int(np.argmin(np.where(shorter, price, np.inf))) if shorter.any() else top

    def _answers(self, index: int) -> bool:
        """It was answered, here or in an earlier run of this model, and mostly so."""
        member = self._table.rows[index].member
        return len(self._table.known(index)) > 0 and (member is None or member.reliable)

    def _consider_end(self, look: Look, best: int, allowed: Array) -> None:
        settings = self._settings
        margin = settings.margin / (self._high - self._low)
        self._chances.append(look.chance(best, margin, allowed) if allowed.any() else 1.0)
        enough = np.sum(look.fit.data.known) >= FEWEST and len(self._chances) == RECENT
        if enough and np.mean(self._chances) < settings.doubt:
            self._finished = (
                f"sure: a prompt better by more than {100 * settings.margin:g} points has a "
                f"chance below {settings.doubt:.0%}"
            )

    def _standing(self, member: PooledCandidate) -> Standing:
        """Its finite-population estimate; of all examples' scores when they are known."""
        index, look = self._register.index(member.candidate), self._look
        known = self._table.known(index)
        modelled = look is not None and index < len(look.estimate) and len(known) > 0
        if look is None or not modelled or self._even or member.state == "complete":
            return member.standing(estimate(known.tolist()))
        scale = self._high - self._low
        mean = self._low + scale * float(look.estimate[index])
        half = Z95 * scale * float(look.error[index])
        low, high = max(self._low, mean - half), min(self._high, mean + half)
        return member.standing(Estimate(mean, low, high, len(known), modelled=True))
