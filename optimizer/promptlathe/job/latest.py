"""Which run of a workspace MLflow knew last."""

from contextlib import closing
from pathlib import Path

from promptlathe.errors import InputError
from promptlathe.job.stores import ledger_in
from promptlathe.ledger import Ledger
from promptlathe.results.kept import Summary, summaries


def latest_recorded(workspace: Path | None) -> Summary | None:
    """The latest run that MLflow knows; None where the ledger has none."""
    try:
        url, _ = ledger_in(workspace)
        with closing(Ledger(url)) as ledger:
            return next((one for one in summaries(ledger) if one.mlflow), None)
    except InputError:
        return None
