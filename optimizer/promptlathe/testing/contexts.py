"""A context whose answers a test gives: it keeps what was asked, and sends nothing.

And what the suites of scorers, targets and clients share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from promptlathe.records import Answer, Request, Role
from promptlathe.runtime.seam import UnitEnded

SECONDS = 60.0
"""In which a test must end."""


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


def failing(answers: Callable[[Asked], str], number: int, error: UnitEnded) -> Answering:
    """Answers so many calls, and raises at the next, and at all that follow."""
    left = number

    def answer(asked: Asked) -> str | UnitEnded:
        nonlocal left
        left -= 1
        return answers(asked) if left >= 0 else error

    return answer


async def raised(work: Awaitable[object]) -> BaseException | None:
    """The exception that it raised, if any."""
    try:
        await work
    except BaseException as error:  # noqa: BLE001 - which one is what a test asks
        return error
    return None


def run(test: Callable[[], Awaitable[None]]) -> None:
    """In an event loop of its own."""

    async def within() -> None:
        async with asyncio.timeout(SECONDS):
            await test()

    asyncio.run(within())
