"""Which row of the table is which candidate's."""

from collections.abc import Sequence

from promptlathe.records import Candidate
from promptlathe.search.lathe.landscape import Landscape, Point
from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.look import encode
from promptlathe.search.lathe.table import Table
from promptlathe.search.pooled import PooledCandidate


class Register:
    """Rows by their point, and by the id of the prompt that it makes: two points may make one."""

    def __init__(self, table: Table, landscape: Landscape, *, effects: bool) -> None:
        self.landscape = landscape
        self.members: list[PooledCandidate] = []
        """Candidates that entered this search, in that order."""
        self._table, self._effects = table, effects
        self._by_point: dict[Point, int] = {}
        self._by_id: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_point)

    def __contains__(self, point: Point) -> bool:
        return point in self._by_point

    def index(self, candidate: Candidate) -> int:
        """The row of a candidate that is known."""
        return self._by_id[candidate.id]

    def row(self, point: Point) -> int:
        """The row of a point, which is added when it is new."""
        if point not in self._by_point:
            self._by_point[point] = self._table.add(point, self.encode([point])[0])
        return self._by_point[point]

    def known(self, point: Point) -> int:
        """The row of a point of an earlier run: what is another point's prompt stays that one's."""
        if point not in self._by_point:
            self._by_id.setdefault(self.landscape.candidate(point).id, self.row(point))
        return self._by_point[point]

    def admit(self, point: Point) -> int | None:
        """The row of a point; None when its prompt is known under other levels."""
        if point in self._by_point:
            return self._by_point[point]
        known = self._by_id.get(self.landscape.candidate(point).id)
        if known is not None:
            self._by_point[point] = known
            return None
        return self.row(point)

    def member(self, index: int) -> PooledCandidate:
        """The candidate of a row, which enters the search when it is new."""
        row = self._table.rows[index]
        if row.member is None:
            candidate = self.landscape.candidate(row.point)
            row.member = PooledCandidate(len(self.members), candidate)
            self.members.append(row.member)
            self._by_id[candidate.id] = index
        return row.member

    def encode(self, points: Sequence[Point]) -> Array:
        """(points, p) features."""
        return encode(self.landscape, points, effects=self._effects)
