"""Send what waits in a workspace's spool, without a run."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

from promptlathe.errors import PromptlatheError
from promptlathe.track.process import WriterProcess
from promptlathe.track.spool import waiting
from promptlathe.track.store import environment_uri

if TYPE_CHECKING:
    from promptlathe.track.writer import News

LOOK = 0.05
PATIENCE = 20.0
"""Seconds without a sign of life: nobody waits for a result."""


def sync(state: Path, say: Callable[[str], object]) -> bool:
    """Send all; `say` is told in lines what became of each run. False when nothing waits.

    A store with a password is reached when MLFLOW_TRACKING_URI holds its whole address.
    Raises PromptlatheError when something is left that is no record of a run under way.
    """
    if not waiting(state):
        return False
    left: list[str] = []

    def hear(news: "News") -> None:
        about, line = news
        if about == "said":
            say(line)
        elif about == "left":
            left.append(line)

    process, since = (
        WriterProcess(state, None, hear, store=environment_uri() or None, patience=PATIENCE),
        monotonic(),
    )
    try:
        while not process.ended:
            if process.lost_patience(since):
                left.append(process.said)
                break
            sleep(LOOK)
    finally:
        process.close()
    if left:
        raise PromptlatheError(
            f"{waiting(state).total()} records wait for MLflow:\n  "
            + "\n  ".join(left)
            + "\n  → see that the store can be reached, then give the same command again"
            + f"\n    (or delete what is not to be sent in {state / 'spool'})"
        )
    return True
