"""Scorers that may block or never end, kept apart from the event loop.

They run in the worker process; a Python function that cannot be sent there, in a thread. A thread
that hangs cannot be ended: it is left behind.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any

import cloudpickle

from promptlathe.records import Example, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.scorer import Measure, Scorer, Surroundings, Unscored
from promptlathe.scoring.worker import Blueprint, NotThere, Worker


class Apart:
    """Makes the measures of scorers; those that need it run apart."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._blueprints: dict[int, Blueprint] = {}
        self._worker = Worker(self._blueprints)

    def measure(self, scorer: Scorer) -> Measure:
        """Of a scorer, wherever it runs."""
        asked: dict[str, Sequence[str]] = {}

        def labels(field: str) -> Sequence[str]:
            asked[field] = self._around.labels(field)
            return asked[field]

        here = scorer.measure(replace(self._around, labels=labels))
        seconds = scorer.aside(self._around)
        if seconds is None:
            return here
        try:
            pickled = cloudpickle.dumps(scorer)
        except Exception:  # noqa: BLE001  # whatever holds it back: it runs in a thread
            return _in_threads(here, seconds)
        number = len(self._blueprints)
        self._blueprints[number] = Blueprint(pickled, asked, self._around.folder.resolve())
        whole = scorer.reads_calls(self._around)
        threads = _in_threads(here, seconds)

        async def score(example: Example, trace: Trace, ctx: Context) -> Score:
            sent = trace if whole else Trace(trace.given)
            try:
                return await self._worker.score(number, seconds, example, sent)
            except NotThere:
                return await threads(example, trace, ctx)

        return score

    def close(self) -> None:
        """End the worker process. Another use starts it again."""
        self._worker.close()


def _in_threads(here: Measure, seconds: float) -> Callable[..., Any]:
    async def score(example: Example, trace: Trace, ctx: Context) -> Score:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                found = here(example, trace, ctx)
            except BaseException as error:  # noqa: BLE001  # also sys.exit()
                kept = error if isinstance(error, Exception) else Unscored(f"raised {error!r}")
                with suppress(Exception):  # nobody waits any more
                    future.set_exception(kept)
            else:
                with suppress(Exception):
                    future.set_result(found)

        threading.Thread(target=run, name="scorer", daemon=True).start()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            if future.done() and not future.cancelled():
                raise
            raise Unscored(f"took longer than {seconds:g} s") from None

    return score
