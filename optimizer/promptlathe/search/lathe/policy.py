"""The policy `lathe`: which single cell teaches most about which prompt is best.

After each refit of the model (model.py), rarer as the answers become many:

1. Posterior draws of the quality of candidates: those tried, and points of the space that a draw
   of the effects likes. Quality is finite-population: known cells count as they are, the others
   as predicted.
2. Top-two Thompson sampling (Russo 2016, section 3.3) names the candidate: the best of a draw, or,
   half the time, the best other one of a later draw.
3. Its example: the one with the most information about it, omega / (1 + omega v) for the weight
   omega = p (1 - p) and the variance v of the example's difficulty; now and then (UNIFORM) any
   example, so that a wrong model is noticed.

An independent residual makes every untried candidate look promising in some draw, so a new one is
taken only while there are fewer than BREADTH * sqrt(cells): the growth that infinitely many arms
ask for (Wang, Audibert & Munos 2008, section 3).

The search ends when, over the last draws, the chance that some candidate beats the recommended one
by more than `margin` is below `doubt`.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from promptlathe.errors import InputError
from promptlathe.records import Cell, Estimate, Example, Outcome, Standing, Value
from promptlathe.search.entrant import Entrant
from promptlathe.search.lathe.landscape import Landscape, Point, SpaceLandscape
from promptlathe.search.lathe.model import Array, Data, Fit, fit, logistic
from promptlathe.search.stats import Z95, estimate
from promptlathe.search.study import Study
from promptlathe.space import BoundSpace

DRAWS = 24
OPENING = 8
"""Candidates at the beginning, each on the same OPENING_CELLS examples."""
OPENING_CELLS = 4
BREADTH = 3.0
UNIFORM = 0.15
REFIT = 0.04
"""Share of the answers that must be new before the model is fitted again."""
REFIT_LEAST = 4
LOOK_AT = 100
"""Points of the space considered at a time."""
LEADERS = 4
EXACT = 8
"""Best candidates of each draw whose quality is computed cell by cell."""
GRID = 24
SILENT = 8
"""Failures in a row without an answer, after which a candidate or an example is given up."""
RECENT = 4
"""Refits whose draws decide whether the search may end."""
FEWEST = 100
"""Answers before the search may end by itself."""
OTHER_MODEL = 0.3
"""Weight of an earlier answer that another model gave."""
MOST_EARLIER = 200
"""Candidates of earlier runs that are learnt from."""


@dataclass(frozen=True)
class Settings:
    """What an ablation switches off, and when the search may end by itself."""

    margin: float = 0.01
    """A prompt must be better by more than this to be worth searching for; score units."""
    doubt: float = 0.05
    """The search ends when the chance of such a prompt is lower; 0: never."""
    difficulty: bool = True
    """Examples differ in difficulty."""
    effects: bool = True
    """Candidates share the effects of their levels."""
    choose_examples: bool = True
    top_two: bool = True


@dataclass(frozen=True)
class Earlier:
    """An outcome of an earlier run of the same objective."""

    levels: Mapping[str, Value]
    example: str
    """The example's id."""
    value: float
    same_model: bool


@dataclass(eq=False)
class Row:
    """A candidate that the model knows: a row of the table of outcomes."""

    point: Point
    entrant: Entrant | None = None
    """None while it is known from earlier runs only."""
    silent: int = 0
    """Failures; reset by an answer."""


@dataclass
class Table:
    """Rows of candidates, columns of examples; grows by rows."""

    examples: int
    rows: list[Row] = field(default_factory=list[Row])
    y: Array = field(init=False)
    trust: Array = field(init=False)
    sent: Array = field(init=False)
    phi: Array = field(init=False)

    def __post_init__(self) -> None:
        self.y = np.full((0, self.examples), np.nan)
        self.trust = np.ones((0, self.examples))
        self.sent = np.zeros((0, self.examples), bool)
        self.phi = np.zeros((0, 0))

    def add(self, row: Row, phi: Array) -> int:
        """Its index."""
        n = len(self.rows)
        if n == len(self.y):
            more = max(16, n)
            self.y = np.vstack([self.y, np.full((more, self.examples), np.nan)])
            self.trust = np.vstack([self.trust, np.ones((more, self.examples))])
            self.sent = np.vstack([self.sent, np.zeros((more, self.examples), bool)])
            self.phi = np.vstack([self.phi.reshape(n, len(phi)), np.zeros((more, len(phi)))])
        self.rows.append(row)
        self.phi[n] = phi
        return n


@dataclass(frozen=True)
class Look:
    """What a refit found; the candidates are the table's rows, then the fresh points."""

    fit: Fit
    fresh: list[Point]
    q: Array
    """(n + fresh, DRAWS) drawn quality, in model units."""
    q_fresh: Array
    """(fresh,) expected quality of the fresh points."""
    u: Array
    """(n + fresh,) posterior mean of u."""
    estimate: Array
    """(n,) expected quality of the rows."""
    error: Array
    """(n,) its standard deviation."""


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
        settings: Settings | None = None,
    ) -> None:
        """`study` keeps a trial of each candidate; None: no record is wanted."""
        self._rng = np.random.default_rng([seed, 2])
        by_id = sorted(examples, key=lambda example: example.id)
        self._examples = [by_id[i] for i in self._rng.permutation(len(by_id))]
        self._place = {example.id: i for i, example in enumerate(self._examples)}
        self._settings = settings or Settings()
        self._landscape = SpaceLandscape(space) if isinstance(space, BoundSpace) else space
        self._study = study
        self._table = Table(len(by_id))
        self._row_of: dict[Point, int] = {}
        self._by_id: dict[str, int] = {}
        self._entrants: list[Entrant] = []
        self._failed = np.zeros(len(by_id), int)
        """Failures of each example, while it has no answer."""
        self._told = self._sent = 0
        self._low, self._high = 0.0, 1.0
        self._look: Look | None = None
        self._next_fit = 0
        self._turn = 0
        self._tasted = False
        """The favourite of the last look was tried."""
        self._chances: deque[float] = deque(maxlen=RECENT)
        self._finished: str | None = None
        self._enter(self._row(self._landscape.seed))
        self._seed = self._best = self._entrants[0]
        self._learn(earlier)
        self._opening = self._open()

    # The seam

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        cells: list[Cell] = []
        while len(cells) < limit and self._finished is None:
            cell = self._next(len(pending) + len(cells))
            if cell is None:
                break
            cells.append(cell)
        return cells

    def tell(self, outcome: Outcome) -> list[Standing]:
        index = self._by_id[outcome.cell.candidate.id]
        place = self._place[outcome.cell.example.id]
        row = self._table.rows[index]
        entrant = row.entrant
        assert entrant is not None, "an outcome of a cell that was not proposed"
        entrant.take(place, outcome)
        self._told += 1
        if outcome.value is None:
            row.silent += 1
            self._failed[place] += 1
            return []
        row.silent = 0
        self._failed[place] = -len(self._examples)
        self._low, self._high = min(self._low, outcome.value), max(self._high, outcome.value)
        self._table.y[index, place] = outcome.value
        self._table.trust[index, place] = 1
        if entrant.told < len(self._examples):
            return []
        entrant.state = "complete"
        return [self._standing(entrant)]

    def extend(self, space: BoundSpace | Landscape) -> None:
        self._landscape = SpaceLandscape(space) if isinstance(space, BoundSpace) else space
        if self._study is not None and isinstance(space, BoundSpace):
            self._study.extend(space.space)
        rows = self._table.rows
        values = [self._landscape.values(row.point) for row in rows]
        phi = self._landscape.encoder.encode(values)
        self._table.phi = np.zeros((len(self._table.y), phi.shape[1]))
        self._table.phi[: len(rows)] = phi
        self._look, self._next_fit, self._finished = None, 0, None

    @property
    def best(self) -> Standing:
        return self._standing(self._best)

    @property
    def seed(self) -> Standing:
        return self._standing(self._seed)

    @property
    def standings(self) -> Sequence[Standing]:
        return [self._standing(entrant) for entrant in self._entrants]

    @property
    def finish_reason(self) -> str | None:
        return self._finished

    def close(self) -> None:
        self._fit()
        if self._study is None:
            return
        for entrant in self._entrants:
            found = self._standing(entrant).estimate
            if found is None:
                self._study.discard(entrant.number, "no call was answered")
            else:
                self._study.complete(entrant.number, found.mean, entrant.tokens_per_call)

    # Cells

    def _next(self, under_way: int) -> Cell | None:
        cell = next(self._opening, None)
        if cell is not None:
            return cell
        if self._told >= self._next_fit:
            self._fit()
            if self._finished:
                return None
        if self._look is None:
            return self._any()
        index = self._pick(self._look)
        if index is None:
            return self._nothing_left(under_way)
        return self._send(index, self._example(index))

    def _open(self) -> Iterator[Cell]:
        """The seed and a few others, on the same first examples: difficulty against effects."""
        first = range(min(OPENING_CELLS, len(self._examples)))
        yield from (self._send(0, i) for i in first if not self._table.sent[0, i])
        points = self._landscape.suggest(
            self._rng, count=4 * OPENING, leaders=[], weights=np.zeros((self._width, 0))
        )
        entered = 0
        for i in self._rng.permutation(len(points)):
            index = self._admit(points[int(i)])
            if index is None or index == 0:
                continue
            yield from (self._send(index, i) for i in first if not self._table.sent[index, i])
            entered += 1
            if entered == OPENING - 1:
                return

    def _any(self) -> Cell | None:
        """Before anything is known: the opening's candidates meet the next examples."""
        open_ = ~self._table.sent[: len(self._table.rows)]
        if not open_.any():
            return None
        place = int(np.flatnonzero(open_.any(0))[0])
        return self._send(int(np.flatnonzero(open_[:, place])[0]), place)

    def _nothing_left(self, under_way: int) -> None:
        if under_way == 0:
            self._finished = "every cell that could teach something was bought"

    def _pick(self, look: Look) -> int | None:
        """A row by top-two Thompson sampling; None when none has an example left."""
        n = len(look.estimate)
        table = self._table
        favourite = self._favourite(look)
        if favourite is not None:
            return favourite
        usable = self._usable(n)
        if self._sent >= len(table.rows) ** 2 / BREADTH**2 or not usable.any():
            fresh = np.ones(len(look.fresh), bool)
        else:
            fresh = np.zeros(len(look.fresh), bool)
        usable = np.concatenate([usable, fresh])
        while usable.any():
            place = self._top_two(look.q, usable)
            if place < n:
                return place
            usable[place] = False
            index = self._admit(look.fresh[place - n])
            if index is not None and self._usable(index + 1)[index]:
                return index
        return None

    def _favourite(self, look: Look) -> int | None:
        """An untried point that is expected to be better than any tried one: it is tried."""
        if self._tasted or not len(look.q_fresh):
            return None
        self._tasted = True
        place = int(np.argmax(look.q_fresh))
        if look.q_fresh[place] <= look.estimate.max():
            return None
        index = self._admit(look.fresh[place])
        return index if index is not None and self._usable(index + 1)[index] else None

    def _top_two(self, q: Array, usable: Array) -> int:
        first = self._drawn_best(q)
        leader_too = not self._settings.top_two or self._rng.random() < 0.5
        if leader_too and usable[first]:
            return first
        for _ in range(DRAWS):
            second = self._drawn_best(q)
            if second != first and usable[second]:
                return second
        return int(np.argmax(np.where(usable, q[:, self._turn % DRAWS], -np.inf)))

    def _drawn_best(self, q: Array) -> int:
        self._turn += 1
        return int(np.argmax(q[:, self._turn % DRAWS]))

    def _usable(self, n: int) -> Array:
        """(n,) rows that have an example left and are answered at all."""
        left = ~self._table.sent[:n] & (self._failed < SILENT)
        return left.any(1) & np.array([row.silent < SILENT for row in self._table.rows[:n]])

    def _example(self, index: int) -> int:
        """The example that says most about this row."""
        look = self._look
        assert look is not None
        left = ~self._table.sent[index] & (self._failed < SILENT)
        places = np.flatnonzero(left)
        if not self._settings.choose_examples:
            return int(places[0])
        if self._rng.random() < UNIFORM:
            return int(self._rng.choice(places))
        u = self._mean_of(index, look)
        p = logistic(u - look.fit.d[places])
        omega = p * (1 - p)
        information = omega / (1 + omega * look.fit.difficulty_variance[places])
        # Near ties are broken at random: candidates that share all examples share their errors.
        information *= 1 + 0.3 * self._rng.random(len(places))
        return int(places[np.argmax(information)])

    def _mean_of(self, index: int, look: Look) -> float:
        if index < len(look.estimate):
            return float(look.u[index])
        return float(look.fit.predict(self._table.phi[index : index + 1])[0])

    def _send(self, index: int, place: int) -> Cell:
        self._table.sent[index, place] = True
        self._sent += 1
        row = self._table.rows[index]
        entrant = row.entrant or self._enter(index)
        entrant.sent += 1
        return Cell(entrant.candidate, self._examples[place])

    # Rows

    @property
    def _width(self) -> int:
        return self._landscape.encoder.width

    def _row(self, point: Point) -> int:
        """The row of a point, which is added when it is new."""
        if point not in self._row_of:
            phi = self._encode([point])[0]
            self._row_of[point] = self._table.add(Row(point), phi)
        return self._row_of[point]

    def _admit(self, point: Point) -> int | None:
        """The row of a point; None when its prompt is known under other levels."""
        if point in self._row_of:
            return self._row_of[point]
        known = self._by_id.get(self._landscape.candidate(point).id)
        if known is not None:
            self._row_of[point] = known
            return None
        return self._row(point)

    def _enter(self, index: int) -> Entrant:
        row = self._table.rows[index]
        number = len(self._entrants)
        if self._study is not None:
            number = self._study.ask(dict(row.point)).number
        row.entrant = Entrant(number, self._landscape.candidate(row.point))
        self._entrants.append(row.entrant)
        self._by_id[row.entrant.candidate.id] = index
        return row.entrant

    def _encode(self, points: Sequence[Point]) -> Array:
        phi = self._landscape.encoder.encode([self._landscape.values(point) for point in points])
        if not self._settings.effects:
            phi[:, 1:] = 0
        return phi

    def _learn(self, earlier: Sequence[Earlier]) -> None:
        """Outcomes of earlier runs: known cells, or hints when another model gave them."""
        for one in earlier:
            place = self._place.get(one.example)
            if place is None:
                continue
            point = tuple(one.levels.items())
            if point not in self._row_of:
                if len(self._row_of) >= MOST_EARLIER or not self._possible(point):
                    continue
                candidate = self._landscape.candidate(point)
                self._by_id.setdefault(candidate.id, self._row(point))
            index = self._row_of[point]
            self._table.y[index, place] = one.value
            self._table.trust[index, place] = 1 if one.same_model else OTHER_MODEL
            self._table.sent[index, place] = one.same_model
            self._low, self._high = min(self._low, one.value), max(self._high, one.value)

    def _possible(self, point: Point) -> bool:
        try:
            self._landscape.candidate(point)
        except InputError:  # a level that the space had once
            return False
        return True

    # The model

    def _fit(self) -> None:
        """Fit, draw, recommend, and see whether the search is over."""
        table, n = self._table, len(self._table.rows)
        y = (table.y[:n] - self._low) / (self._high - self._low)
        if np.isnan(y).all():
            return
        self._next_fit = self._told + max(REFIT_LEAST, int(REFIT * self._told))
        groups = self._landscape.encoder.groups
        start = self._look.fit if self._look else None
        data = Data(groups, table.phi[:n], y, table.trust[:n], self._settings.difficulty)
        self._look, self._tasted = self._looked(fit(data, start), y), False
        self._recommend()
        self._consider_end()

    def _looked(self, found: Fit, y: Array) -> Look:
        draws = found.draw(DRAWS, self._rng)
        n, m = y.shape
        known = ~np.isnan(y) & (self._table.trust[:n] == 1)
        total = np.where(known, np.nan_to_num(y), 0).sum(1)
        order = np.argsort(-found.u)[:LEADERS]
        points = self._landscape.suggest(
            self._rng,
            count=LOOK_AT,
            leaders=[self._table.rows[int(i)].point for i in order],
            weights=np.column_stack([draws.weights, found.weights]),
        )
        fresh = [point for point in points if point not in self._row_of]
        phi = self._encode(fresh) if fresh else np.zeros((0, found.data.phi.shape[1]))
        u_fresh = phi @ draws.weights
        wide = np.sqrt(1 + np.pi / 8 * (u_fresh.var(1) + found.variances.residual))
        u_mean = found.predict(phi)
        q_mean = _curve((u_mean / wide)[:, None], found.d[:, None])[:, 0]
        residual = np.sqrt(found.variances.residual)
        u_fresh += residual * self._rng.standard_normal(u_fresh.shape)
        q = _curve(np.vstack([draws.tried, u_fresh]), draws.difficulty)
        # Exact, with the known cells as they are, for those that lead in some draw.
        ahead = np.unique(np.argsort(-q[:n], axis=0)[:EXACT])
        hidden = ~known[ahead]
        for s in range(DRAWS):
            p = logistic(draws.tried[ahead, s, None] - draws.difficulty[:, s])
            q[ahead, s] = (total[ahead] + np.sum(p, axis=1, where=hidden)) / m
        spread = np.diag(found.covariance)[:, None] + found.difficulty_variance
        # The mean of a logistic over a normal (MacKay 1992, eq. 10).
        p = logistic((found.u[:, None] - found.d) / np.sqrt(1 + np.pi / 8 * spread))
        unknown = np.where(known, 0, p)
        noise = np.where(known, 0, p * (1 - p)) * found.variances.dispersion
        return Look(
            found,
            fresh,
            q,
            q_mean,
            np.concatenate([found.u, u_mean]),
            (total + unknown.sum(1)) / m,
            np.sqrt(q[:n].var(1) + noise.sum(1) / m**2),
        )

    def _recommend(self) -> None:
        """The highest expected quality; on a tie the seed, which needs no change."""
        look = self._look
        assert look is not None
        answered = np.array([self._answers(row) for row in self._table.rows])
        if not answered.any() or np.ptp(look.fit.data.y[look.fit.data.known]) == 0:
            self._best = self._seed
            return
        index = int(np.argmax(np.where(answered, look.estimate, -np.inf)))
        self._best = self._table.rows[index].entrant or self._enter(index)

    def _answers(self, row: Row) -> bool:
        """It was answered, here or in an earlier run, and mostly so."""
        if row.entrant is None or row.entrant.told == 0:
            return row.entrant is None
        return bool(row.entrant.values) and row.entrant.reliable

    def _consider_end(self) -> None:
        look = self._look
        assert look is not None
        best = self._by_id[self._best.candidate.id]
        margin = self._settings.margin / (self._high - self._low)
        self._chances.append(float(np.mean(np.max(look.q, axis=0) > look.q[best] + margin)))
        enough = self._told >= FEWEST and len(self._chances) == RECENT
        if enough and np.mean(self._chances) < self._settings.doubt:
            self._finished = (
                f"sure: a prompt better by more than {100 * self._settings.margin:g} points has a "
                f"chance below {self._settings.doubt:.0%}"
            )

    def _standing(self, entrant: Entrant) -> Standing:
        index, look = self._by_id[entrant.candidate.id], self._look
        if look is None or index >= len(look.estimate) or not entrant.values:
            return entrant.standing()
        if entrant.state == "complete":
            return entrant.standing()
        scale = self._high - self._low
        mean = self._low + scale * float(look.estimate[index])
        half = Z95 * scale * float(look.error[index])
        found = Estimate(
            mean, max(self._low, mean - half), min(self._high, mean + half), len(entrant.values)
        )
        return entrant.standing(found)


def _curve(u: Array, difficulty: Array) -> Array:
    """(k, S) mean over the examples of logistic(u - d), for u (k, S) and d (m, S).

    By interpolation on a grid of each draw, since u has many values.
    """
    q = np.empty_like(u)
    for s in range(u.shape[1]) if len(u) else ():
        grid = np.linspace(u[:, s].min(), u[:, s].max() + 1e-9, GRID)
        q[:, s] = np.interp(u[:, s], grid, logistic(grid[:, None] - difficulty[:, s]).mean(1))
    return q
