"""What a call passes before it is sent: the quota of its model, and the pace of its service."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from promptlathe.models.pricing import BYTES_PER_TOKEN, TYPICAL_OUTPUT
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Call, Failure, Role
from promptlathe.runtime.knock import knock
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.pacing import Pace
from promptlathe.runtime.quota import Quota, Taken


@dataclass(frozen=True, eq=False)
class Gate:
    """Of one lane."""

    pace: Pace
    quota: Quota | None

    async def enter(self, call: Call) -> Taken | None:
        """Wait until the call may be sent."""
        taken = None
        if self.quota is not None:
            size = sum(len(message.text.encode()) for message in call.messages)
            taken = await self.quota.enter(size / BYTES_PER_TOKEN + TYPICAL_OUTPUT)
        await self.pace.enter()
        return taken

    def leave(self, taken: Taken | None, reply: Answer | Failure | None) -> None:
        """It was answered, or given up."""
        if taken is not None and isinstance(reply, Answer) and reply.tokens is not None:
            taken.tokens = reply.tokens
        self.pace.leave(reply)


class Gates:
    """Of all lanes; those of one pool share its pace, those of one model its quota."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        paces: dict[str, Pace] = {}
        quotas: dict[tuple[str, str], Quota] = {}
        self._by_lane: dict[str, Gate] = {}
        for name, lane in lanes.by_name.items():
            pool = lane.pool or name
            if pool not in paces:
                paces[pool] = _pace(lane)
            self._by_lane[name] = Gate(paces[pool], _quota(lane.settings, quotas))
        self._paces = tuple(paces.values())

    def of(self, role: Role, step: str) -> Gate:
        """The gate that a call passes."""
        return self._by_lane[self._lanes.name_of(role, step)]

    @property
    def notices(self) -> tuple[str, ...]:
        """What whoever watches should know of the services."""
        return tuple(said for pace in self._paces if (said := pace.notice))


def _pace(lane: Lane) -> Pace:
    settings = lane.settings

    async def there() -> bool:
        return not await knock(settings)

    name = settings.name if settings.here else urlsplit(settings.endpoint).netloc
    return Pace(name.rpartition("@")[2], lane.slots, there, settings.outage, lane.quiet)


def _quota(settings: ModelSettings, known: dict[tuple[str, str], Quota]) -> Quota | None:
    calls, tokens = settings.calls_per_minute, settings.tokens_per_minute
    if calls is None and tokens is None:
        return None
    return known.setdefault((settings.endpoint, settings.name), Quota(calls, tokens))
