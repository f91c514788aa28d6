"""The seam: a job reports to a `Tracker`, which may keep everything, or nothing."""

from concurrent.futures import Future
from types import TracebackType
from typing import Literal, Protocol, Self

from promptlathe.records import FinalistName, Outcome, Standing
from promptlathe.track.records import About, Concluded, Conclusion, Started


class Tracker(Protocol):
    """Keeps a record of one run.

    start → (candidate | progress | test_outcome)* → conclude or abort → close. Only `conclude`,
    `abort` and `close` wait. What cannot be written after the start is a problem that
    `conclude` reports, never an exception: the answers are paid for.
    """

    def start(self, about: About) -> None:
        """Begin the run."""
        ...

    @property
    def ready(self) -> Future[Started | None]:
        """Done when MLflow has the run; None when tracking is off.

        Fails with InputError when the store cannot be used.
        """
        ...

    def candidate(self, standing: Standing) -> None:
        """A candidate ended: once for each, in any order."""
        ...

    def progress(self, calls: int, best: float | None, seed: float | None) -> None:
        """Estimates on `select` after so many calls; call it as often as you like."""
        ...

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """A row of the final comparison, while it arrives."""
        ...

    def conclude(self, conclusion: Conclusion) -> Concluded:
        """Write the result, register the prompts if they are promoted, and end the run."""
        ...

    def abort(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """End the run without a result."""
        ...

    def close(self) -> None:
        """Leave nothing behind. A run that is still open ends as KILLED."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class NoTracker:
    """Tracking is off."""

    def start(self, about: About) -> None:
        """Nothing to begin."""

    @property
    def ready(self) -> Future[Started | None]:
        """Done at once, with None."""
        done: Future[Started | None] = Future()
        done.set_result(None)
        return done

    def candidate(self, standing: Standing) -> None:
        """Not kept."""

    def progress(self, calls: int, best: float | None, seed: float | None) -> None:
        """Not kept."""

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """Not kept."""

    def conclude(self, conclusion: Conclusion) -> Concluded:
        """Nothing is registered."""
        return Concluded(None)

    def abort(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """Nothing to end."""

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
