"""When a result is told: as soon as it is decided, and what MLflow made of it afterwards."""

from collections.abc import Sequence
from typing import Any

from promptlathe.cli.ending import headline, show_record, show_result, verdict_lines
from promptlathe.cli.log import Log
from promptlathe.cli.metrics import Metrics
from promptlathe.cli.outcome import VERDICT, JsonFile
from promptlathe.cli.terminal import say
from promptlathe.job import Job, Result


class Telling:
    """The result on stdout, and as JSON: in a file, or instead on stdout, once."""

    def __init__(
        self,
        job: Job,
        json_file: JsonFile | None,
        failing: Sequence[str],
        *,
        log: Log | None,
        metrics: Metrics | None,
        quiet: bool,
    ) -> None:
        self._job, self._file, self._log, self._quiet = job, json_file, log, quiet
        self._metrics, self._failing = metrics, failing
        """Verdicts with which the command fails."""
        self._shown = not (json_file and json_file.alone)
        self._told: Result | None = None

    def decided(self, result: Result) -> None:
        """Before anything waits for MLflow."""
        self._told = result
        self._write(result)
        if self._metrics:
            self._metrics.result = result
        if self._log:
            self._log.line(headline(result), **_figures(result))
        if self._shown and self._quiet:
            for line in verdict_lines(result):
                say(line)
        elif self._shown:
            show_result(result, self._job.workspace)
        if self._job.track and not self._quiet:
            say("telling MLflow (at most 2 minutes; Ctrl-C ends the wait)", err=True)

    def recorded(self, result: Result) -> None:
        """With the version that was promoted, if any."""
        if self._shown and self._told and not self._quiet:
            show_record(self._told, result, self._job.workspace)
        if self._metrics:
            self._metrics.result = result
        if result != self._told:
            self._write(result)

    def _write(self, result: Result) -> None:
        if self._file:
            code = VERDICT if result.verdict in self._failing else 0
            self._file.tell(result.to_dict(), code)


def _figures(result: Result) -> dict[str, Any]:
    """For a log that is read by programs."""
    test = result.test_champion or result.test
    return {
        "run": result.run,
        "verdict": result.verdict,
        "gain": test.gain,
        "interval": list(test.interval),
        "calls": result.spent.calls,
    }
