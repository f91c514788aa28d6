"""What a run file says of the nights after: when its job runs, and who looks whether it holds."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from promptlathe import documents

Count = Annotated[int, Field(gt=0)]


class WatchOptions(documents.Model):
    """Looks at whether the champion still does what it did when it was promoted."""

    rows: Count = Field(default=60, description="Canary rows of a look")
    schedule: str | None = Field(default=None, description="Cron expression of the looks")
    alpha: float = Field(
        default=0.01, gt=0, lt=1, description="Chance of a false alarm, over all looks together"
    )
    on_drift: Literal["notify", "optimize"] = Field(
        default="notify", description="What follows on an alarm; optimize: tell, and search again"
    )


class RetireOptions(documents.Model):
    """When the end of a model is told of."""

    warn_days: Count = Field(default=60, description="Days before the service shuts it down")


@dataclass(frozen=True)
class Upkeep:
    """Keys of a run file that its job does not need: they say what happens around it."""

    schedule: str | None = None
    """Cron expression of the job."""
    timezone: str | None = None
    """Of the schedules, as Europe/Paris; None: the machine's."""
    watch: WatchOptions | None = None
    retire: RetireOptions = field(default_factory=RetireOptions)
