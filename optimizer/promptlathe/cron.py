"""When a cron expression fires, in a time zone.

Five fields as Debian's cron reads them, and `L`, `LW`, `5#2`. Where clocks are put forward a fixed
time that is left out fires at the next one that exists; where they are put back, one that comes
twice fires once (cronsim).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import cast
from zoneinfo import ZoneInfo, available_timezones

from promptlathe.documents import nearest
from promptlathe.errors import InputError

FIELDS = "minute hour day-of-month month day-of-week"
EXAMPLE = 'write five fields, as "0 3 * * 1" for Mondays at 3:00'


@dataclass(frozen=True)
class Cron:
    """An expression that `check_cron` takes, and a zone that `check_zone` takes."""

    expression: str
    zone: str | None = None
    """As Europe/Paris; None: the machine's."""

    @cached_property
    def tz(self) -> tzinfo:
        """The zone. Raises InputError where the machine's cannot be found."""
        return ZoneInfo(self.zone) if self.zone else machine_zone()

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times that follow an aware moment, in the zone, without end."""
        from cronsim import CronSim

        return CronSim(self.expression, moment.astimezone(self.tz))

    @property
    def words(self) -> str:
        """As a person would say it: "At 03:00 on Monday"."""
        from cronsim import CronSim

        return CronSim(self.expression, datetime.now(UTC)).explain()


def check_cron(expression: str) -> str:
    """The expression. Raises ValueError (what, fix) for one that nothing can follow."""
    from cronsim import CronSim, CronSimError

    if len(expression.split()) != 5:
        few = f"{expression!r} is no schedule: a cron expression has five fields ({FIELDS})"
        raise ValueError(few, f"{EXAMPLE}; seconds are not among them")
    try:
        next(CronSim(expression, datetime.now(UTC)))
    except StopIteration:
        raise ValueError(f"{expression!r} never fires: there is no such day", EXAMPLE) from None
    except CronSimError as error:
        field = str(error).removeprefix("Bad ")
        if field == "day-of-month" and _is_day(expression.split()[2]):
            raise ValueError(f"{expression!r} never fires: there is no such day", EXAMPLE) from None
        raise ValueError(f"{expression!r} is no schedule: its {field} is wrong", EXAMPLE) from None
    return expression


def _is_day(field: str) -> bool:
    """In some month."""
    from cronsim import CronSim, CronSimError

    try:
        CronSim(f"0 0 {field} * *", datetime.now(UTC))
    except CronSimError:
        return False
    return True


def check_zone(name: str) -> str:
    """The name of a time zone. Raises ValueError (what, fix) for one that is not known."""
    known = available_timezones()
    if name in known:
        return name
    cities = {one.rpartition("/")[2].casefold(): one for one in sorted(known)}
    near = cities.get(name.casefold()) or nearest(name, known)
    raise ValueError(
        f"there is no time zone {name!r}",
        f"did you mean {near!r}?" if near else 'name one as "Europe/Paris", or "UTC"',
    )


def machine_zone() -> tzinfo:
    """The zone of this machine. Raises InputError where its settings name none."""
    from tzlocal import get_localzone

    try:
        return cast(tzinfo, get_localzone())
    except Exception as error:  # noqa: BLE001 - a machine's settings may say anything
        raise InputError(
            f"the time zone of this machine cannot be found: {error}",
            "TZ, /etc/localtime",
            'write timezone: "Europe/Paris", or another one, into the run file',
        ) from None
