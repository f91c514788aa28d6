"""Which rows are fresh is remembered in the ledger, from job to job."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from promptlathe.data.placements import NOWHERE, Placements
from promptlathe.data.splits import Splits
from promptlathe.records import content_hash


@dataclass(frozen=True)
class Memory:
    """Asks the ledger where jobs had the rows of an objective."""

    named: str | None
    """The ledger, as a run file names it."""
    state: Path
    objective: str
    division: str
    before: datetime | None
    """Of a replay: what came later had not happened."""

    def __call__(self) -> Placements:
        """Raises InputError when the ledger cannot be used, StorageFailed when it goes away."""
        from promptlathe.ledger import existing_ledger, ledger_at

        with existing_ledger(ledger_at(self.named, self.state)) as ledger:
            if ledger is None:
                return NOWHERE
            return ledger.placements(self.objective, self.division, self.before)


def division(splits: Splits) -> str:
    """Equal for splits that divide rows alike: others begin anew."""
    return content_hash([splits.seed, splits.stratify, dict(splits.shares)])
