"""Whom a command tells how it ended."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from promptlathe.cli.ending import headline
from promptlathe.cli.outcome import error_form
from promptlathe.cli.terminal import say
from promptlathe.errors import Interrupted, PromptlatheError
from promptlathe.job import Job, Result
from promptlathe.notify import Message, Moment, tell
from promptlathe.track.registry import versions_listed


def notify(job: Job, moment: Moment, text: str, data: Mapping[str, Any]) -> None:
    """Tell those who want to know; what went wrong with it is said on stderr."""
    message = Message(moment, job.name, f"{job.name}: {text}", data)
    for note in tell(job.notify, message, job.workspace):
        say(f"note: {note}", err=True)


@contextmanager
def failures_told(job: Job) -> Generator[None]:
    """Within, whatever ends the command is told, too, and raised; an interruption is not."""
    try:
        yield
    except Interrupted:
        raise
    except PromptlatheError as error:
        notify(job, "failed", f"failed: {error}", {"error": error_form(error)})
        raise
    except Exception as error:
        notify(job, "failed", f"failed: {type(error).__name__}: {error}", {})
        raise


def result_told(job: Job, result: Result) -> None:
    """The end of a run: `promoted` or `proposed` where it was, and `finished` in any case."""
    data = result.to_dict()
    if there := result.registered or result.proposed:
        made = versions_listed(there)
        test = result.decisive
        low, high = test.interval
        better = f"{test.gain:+.3f} [{low:+.3f}, {high:+.3f}] over the {result.compared_with}"
        moment: Moment = "promoted" if result.registered else "proposed"
        role = "champion" if result.registered else "challenger"
        notify(job, moment, f"{made} is the {role}: {better}", data)
    notify(job, "finished", headline(result), data)
