"""Whether the cluster is still there while the calls go on.

Ray says nothing of it. Measured with Ray 2.60: without its head (GCS) the calls go on for 60 s,
then Ray ends this process from below, without a word; without the raylet of this machine no call
ends and no worker starts. A port that takes no connection shows it within seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from promptlathe.errors import ClusterLost
from promptlathe.runtime.knock import refused

LOOK = 2.0
"""Seconds between two looks."""
PATIENCE = 15.0
"""Seconds for which the head may be away: one that keeps its state outside comes up again. Ray
gives it 60; what a run needs of it meanwhile is only to replace workers."""
FINAL = 4.0
"""Seconds for which what cannot come up again may seem to be away."""


@dataclass(frozen=True)
class Part:
    """Of a cluster."""

    name: str
    address: str
    """`host:port`."""
    patience: float

    async def missing(self) -> str:
        """Why it takes no connection; empty when it does."""
        host, _, port = self.address.rpartition(":")
        return await refused(host.strip("[]"), int(port))


class ClusterWatch:
    """Looks at the parts in turn; `notice` says which one is away."""

    def __init__(self, parts: Sequence[Part], fix: str) -> None:
        self._parts, self._fix = parts, fix
        self.notice = ""

    async def until_lost(self) -> ClusterLost:
        """Wait until a part has been away for too long."""
        since: dict[Part, float] = {}
        while True:
            for part in self._parts:
                begun = time.monotonic()
                said = await part.missing()
                if not said:
                    since.pop(part, None)
                    continue
                away = time.monotonic() - since.setdefault(part, begun)
                if away >= part.patience:
                    return ClusterLost(f"{part.name} at {part.address} is gone: {said}", self._fix)
            now = time.monotonic()
            self.notice = "; ".join(
                f"{part.name} is away: waited {now - begun:.0f} s of {part.patience:.0f} s"
                for part, begun in since.items()
            )
            await asyncio.sleep(LOOK)
