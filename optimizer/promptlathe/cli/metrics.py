"""`--metrics FILE`: how the last run of a job ended, for Prometheus to read.

The form is its text exposition format, as node_exporter's textfile collector takes it. Each series
has the label `run_file`; what the run did not come to know is left out.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from promptlathe import clock
from promptlathe.cli.outcome import VERDICT, check_writable, unwritable
from promptlathe.cli.terminal import say
from promptlathe.whole_files import write_whole

if TYPE_CHECKING:  # loaded by the runs that are asked for metrics
    from prometheus_client.core import GaugeMetricFamily

    from promptlathe.results import Result

RUN = "promptlathe_run_"
SUCCEEDED = f"{RUN}succeeded_timestamp_seconds"
VERDICTS = ("better", "no significant gain", "worse")
Values = Iterable[tuple[tuple[str, ...], float | None]]
"""Values of labels, each with the value of the series; None: not known."""


class Metrics:
    """The file; written whole at the end of the command, whatever the end is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.run_file = ""
        """The job's name; until it is known, nothing is written."""
        self.result: Result | None = None

    def check(self) -> None:
        """Raises InputError when nothing could be written there."""
        check_writable(self._path, "--metrics")

    def end(self, exit_code: int) -> None:
        """The run ends with this code. A file that cannot be written is no reason to fail."""
        if not self.run_file:
            return
        from prometheus_client import generate_latest

        try:
            text = generate_latest(_Families(self._families(exit_code))).decode()
            write_whole(self._path, text)
        except OSError as error:
            say(f"note: {unwritable(self._path, error, '--metrics')}", err=True)

    def _families(self, exit_code: int) -> "Iterator[GaugeMetricFamily]":
        now = clock.now().timestamp()
        success = exit_code in (0, VERDICT)
        yield self._one("success", "1 when the last run came to a result", float(success))
        yield self._one("exit_code", "Of the last run", exit_code)
        yield self._one("ended_timestamp_seconds", "When the last run ended", now)
        last = now if success else self._succeeded()
        yield self._one("succeeded_timestamp_seconds", "When a run last came to a result", last)
        if self.result is not None:
            yield from self._of(self.result)

    def _of(self, result: "Result") -> "Iterator[GaugeMetricFamily]":
        tests = [("seed", result.test)]
        tests += [("champion", result.test_champion)] if result.test_champion else []
        scores = [(("best",), result.test.best)]
        scores += [((rival,), test.seed) for rival, test in tests]
        yield self._family("score", "Mean on held-out rows", scores, "prompt")
        bounds = [
            ((rival, bound), value)
            for rival, test in tests
            for bound, value in zip(
                ("value", "low", "high"), (test.gain, *test.interval), strict=True
            )
        ]
        about = "Of the best prompt, with its 95 % interval"
        yield self._family("gain", about, bounds, "over", "bound")
        verdicts = [((one,), float(result.verdict == one)) for one in VERDICTS]
        yield self._family("verdict", "1 for the verdict", verdicts, "verdict")
        yield self._one("held_out_rows", "That the verdict rests on", result.test.examples)
        yield self._one("test_openings", "Decisions on these held-out rows", result.opened)
        yield self._one("promoted_version", "Of the champion that the run made", result.promoted)
        used = result.spent.by_role.items()
        for name, about in (("calls", "Sent"), ("tokens", "Input and output"), ("usd", "Paid")):
            values = [((role,), getattr(usage, name)) for role, usage in used]
            yield self._family(name, about, values, "role")
        yield self._one("seconds", "Wall-clock time", result.seconds)

    def _one(self, name: str, about: str, value: float | None) -> "GaugeMetricFamily":
        return self._family(name, about, [((), value)])

    def _family(self, name: str, about: str, values: Values, *labels: str) -> "GaugeMetricFamily":
        from prometheus_client.core import GaugeMetricFamily

        family = GaugeMetricFamily(RUN + name, about, labels=["run_file", *labels])
        for named, value in values:
            if value is not None:
                family.add_metric([self.run_file, *named], value)
        return family

    def _succeeded(self) -> float | None:
        """As the file has it: a later failure does not make it forgotten."""
        from prometheus_client.parser import text_string_to_metric_families

        try:
            text = self._path.read_text("utf-8")
            found = [
                sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == SUCCEEDED and sample.labels.get("run_file") == self.run_file
            ]
        except (OSError, ValueError):
            return None
        return found[-1] if found else None


class _Families:
    """A collector of what is there."""

    def __init__(self, families: "Iterable[GaugeMetricFamily]") -> None:
        self._families = families

    def collect(self) -> "Iterable[GaugeMetricFamily]":
        return self._families
