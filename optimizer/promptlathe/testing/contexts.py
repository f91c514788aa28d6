"""A context whose answers a test gives: it keeps what was asked, and sends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from promptlathe.records import Answer, Request, Role
from promptlathe.runtime.seam import UnitEnded


@dataclass(frozen=True)
class Asked:
    """A call that a target or a scorer made."""

    request: Request
    role: Role
    step: str

    @property
    def prompt(self) -> str:
        """The texts of all messages, a line break between two."""
        return "\n".join(message.text for message in self.request.messages)


Answering = Callable[[Asked], str | Answer | UnitEnded]
"""A text, a whole answer, or what the call raises."""


class ScriptedContext:
    """A `Context`; `asked` has the calls in order, `under_way` how many have not ended.

    Calls wait while `open` is not set.
    """

    def __init__(self, answers: Answering) -> None:
        self._answers = answers
        self.asked: list[Asked] = []
        self.under_way = 0
        self.open = asyncio.Event()
        self.open.set()

    async def call(self, request: Request, *, role: Role = "task", step: str = "") -> Answer:
        asked = Asked(request, role, step)
        self.asked.append(asked)
        self.under_way += 1
        try:
            await self.open.wait()
            await asyncio.sleep(0)  # as a real one does: others come in between
            said = self._answers(asked)
        finally:
            self.under_way -= 1
        if isinstance(said, UnitEnded):
            raise said
        return Answer(said) if isinstance(said, str) else said
