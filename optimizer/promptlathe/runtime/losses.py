"""Workers that were lost, for whoever watches and for the result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from promptlathe.runtime.links import Place

NEWS = 15.0
"""Seconds for which a loss is told, and longer while another worker starts."""


@dataclass(eq=False)
class Losses:
    """Of one engine."""

    _lost: Counter[str] = field(default_factory=Counter[str])
    _replaced: int = 0
    _again: int = 0
    _last: str = ""
    _since: float = 0.0

    def add(self, place: Place, why: str, again: int) -> None:
        """A worker was lost, and so many calls are sent again."""
        self._lost[f"on {place.host} ({why})"] += 1
        self._again += again
        worker = f"the Ray worker {place.process} on {place.host}"
        self._last = f"{worker} was lost ({why}), {again} calls are sent again"
        self._since = time.monotonic()

    def replaced(self) -> None:
        """Another one has taken the place of one."""
        self._replaced += 1

    def notices(self, *, starting: bool) -> Sequence[str]:
        """Of the last loss, for a while, and while another worker starts in its place."""
        if not self._last:
            return ()
        if starting:
            return (f"{self._last}; another one starts",)
        return (self._last,) if time.monotonic() - self._since < NEWS else ()

    @property
    def notes(self) -> Sequence[str]:
        """Of all losses."""
        if not self._lost:
            return ()
        lost = ", ".join(f"{number} {where}" for where, number in self._lost.items())
        return (
            f"Ray workers were lost: {lost}; replaced: {self._replaced}; "
            f"calls sent again: {self._again}",
        )
