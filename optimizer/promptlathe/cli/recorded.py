"""The ledger of a workspace, for commands that show what is in it."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from promptlathe.job.stores import ledger_in
from promptlathe.ledger import Ledger


@contextmanager
def recorded(workspace: Path | None) -> Generator[tuple[Ledger, Path]]:
    """The ledger of this workspace, or of the one that the working directory is in, and the
    workspace. Raises InputError when nothing was ever run there."""
    url, state = ledger_in(workspace)
    ledger = Ledger(url)
    try:
        yield ledger, state.parent
    finally:
        ledger.close()
