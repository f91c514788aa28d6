"""The pocket model inside this process: the same answers as its server, without HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import perf_counter

from promptlathe.models.pocket import learner
from promptlathe.records import Answer, Call


class EmbeddedModel:
    """Computes each answer in the event loop; gives way to other tasks between two."""

    async def answer(self, call: Call) -> Answer:
        """Never fails. The latency is the time of computing."""
        await asyncio.sleep(0)
        start = perf_counter()
        answer = learner.answer(call.messages, dict(call.parameters))
        return replace(answer, latency=perf_counter() - start)

    async def close(self) -> None:
        """Nothing to close."""
