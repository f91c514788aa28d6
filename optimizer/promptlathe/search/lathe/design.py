"""A few candidates that say most about a space: the seed, then each the least known so far.

Under the prior of the model of outcomes (model.py) the candidate with the largest variance given
those chosen before is taken next: greedy maximum entropy (Shewry & Wynn 1987), a pivoted Cholesky
factorization of the prior covariance. Levels come out about equally often. Pairs of levels are
left aside: a few candidates say little about them.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from promptlathe.records import Candidate, Value
from promptlathe.search.lathe.landscape import Point, SpaceLandscape
from promptlathe.space import BoundSpace, Categorical

POOL = 400
"""Random candidates that are looked at."""


def spread_out(space: BoundSpace, count: int, seed: int) -> list[Candidate]:
    """At most `count` candidates with prompts that differ, the seed first."""
    rng = np.random.default_rng(seed)
    landscape = SpaceLandscape(space)
    nothing = np.empty((landscape.encoder.width, 0))
    drawn = landscape.suggest(rng, count=POOL, leaders=[], weights=nothing)
    points: Sequence[Point] = list(dict.fromkeys([landscape.seed, *drawn]))
    phi = landscape.encoder.encode([landscape.values(point) for point in points])
    columns = np.zeros(phi.shape[1])
    for group in landscape.encoder.groups:
        if group.name != "pairs":
            columns[group.columns] = group.prior
    root = phi * np.sqrt(columns)
    chosen = {candidate.id: candidate for candidate in [landscape.candidate(points[0])]}
    left = np.ones(len(points), bool)
    place = 0
    while left.any():
        left[place] = False
        root = _given(root, place)
        if len(chosen) == count:
            break
        place = int(np.argmax(np.where(left, np.sum(root**2, axis=1), -1.0)))
        if left[place]:
            candidate = landscape.candidate(points[place])
            chosen.setdefault(candidate.id, candidate)
    return list(chosen.values())


def _given(root: np.ndarray, place: int) -> np.ndarray:
    """A root of the covariance when the value at `place` is known."""
    known = root[place]
    square = float(known @ known)
    return root - np.outer(root @ known, known) / square if square > 1e-12 else root


def levels_of(space: BoundSpace, candidates: Sequence[Candidate]) -> Mapping[str, list[str | None]]:
    """Of each component with several levels, that of each candidate; of a number its range."""
    found: dict[str, list[str | None]] = {}
    for axis in SpaceLandscape(space).encoder.axes:
        domains = {p.name: p.domain for p in space.space.parameters}
        if axis.name not in domains:  # which rows are shown
            continue
        own = [dict(one.levels).get(axis.name) for one in candidates]
        found[axis.name] = (
            [None if value is None else str(value) for value in own]
            if isinstance(domains[axis.name], Categorical)
            else _ranges(own, [None if v is None else axis.code(v) for v in own])
        )
    return found


def _ranges(values: Sequence[Value | None], codes: Sequence[int | None]) -> list[str | None]:
    """What each number is called: the range of those with the same code."""
    within: dict[int | None, list[float]] = {}
    for value, code in zip(values, codes, strict=True):
        if value is not None:
            within.setdefault(code, []).append(float(value))
    names = {
        code: "–".join(dict.fromkeys(f"{end:g}" for end in (min(some), max(some))))
        for code, some in within.items()
    }
    return [None if code is None else names[code] for code in codes]
