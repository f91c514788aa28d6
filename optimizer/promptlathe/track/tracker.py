"""The seam: a job reports to a `Tracker`, which may keep everything, or nothing."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Literal, Protocol, Self

from promptlathe.records import FinalistName, Outcome
from promptlathe.track.records import About, Candidacy, Champion, Concluded, Conclusion, Started

NOTHING: Mapping[str, str] = {}

Points = Sequence[tuple[int, Mapping[str, float]]]
"""Calls, which rise, each with metrics by name."""


class Tracker(Protocol):
    """Keeps a record of one run.

    start → (progress | champion | test_outcome)* → candidate* → conclude → settle → close, or
    start → (progress | champion | test_outcome)* → abort → close.

    Only `champion`, `settle` and `abort` wait, for seconds at most; what the store has not taken by
    then is kept, and sent later. What it refuses after the start is a problem that `settle`
    reports, never an exception: the answers are paid for.
    """

    def start(self, about: About) -> None:
        """Begin the run."""
        ...

    @property
    def started(self) -> Future[Started | None]:
        """Done when MLflow has the run; None when tracking is off.

        Fails with InputError when the store cannot be used.
        """
        ...

    async def champion(self) -> Champion | None:
        """Whom the registry has now; None when it does not answer."""
        ...

    @property
    def away(self) -> str:
        """Why it does not answer."""
        ...

    def candidate(self, candidacy: Candidacy) -> None:
        """One that is shown by itself: told at the end, once for each mark."""
        ...

    def progress(self, points: Points) -> None:
        """Metrics of the run after so many calls; each message costs the store some time."""
        ...

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """A row of the final comparison, while it arrives."""
        ...

    def conclude(self, conclusion: Conclusion) -> None:
        """The result, and whether the prompts are to be promoted: kept when this returns."""
        ...

    async def settle(self) -> Concluded:
        """What the store has made of it by now."""
        ...

    async def abort(
        self,
        status: Literal["FAILED", "KILLED"],
        reason: str,
        tables: Mapping[str, str] = NOTHING,
        *,
        hurry: bool = False,
    ) -> Concluded:
        """End the run without a result; tables: what is known. hurry: somebody waits."""
        ...

    def close(self) -> None:
        """Leave no process behind. A run that is still open ends as KILLED, by a later start."""
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
    def started(self) -> Future[Started | None]:
        """Done at once, with None."""
        done: Future[Started | None] = Future()
        done.set_result(None)
        return done

    async def champion(self) -> Champion | None:
        """There is none."""
        return Champion()

    @property
    def away(self) -> str:
        """It is never asked anything."""
        return ""

    def candidate(self, candidacy: Candidacy) -> None:
        """Not kept."""

    def progress(self, points: Points) -> None:
        """Not kept."""

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """Not kept."""

    def conclude(self, conclusion: Conclusion) -> None:
        """Not kept."""

    async def settle(self) -> Concluded:
        """Nothing is registered."""
        return Concluded(None)

    async def abort(
        self,
        status: Literal["FAILED", "KILLED"],
        reason: str,
        tables: Mapping[str, str] = NOTHING,
        *,
        hurry: bool = False,
    ) -> Concluded:
        """Nothing to end."""
        return Concluded(None)

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
