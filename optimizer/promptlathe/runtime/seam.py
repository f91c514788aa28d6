"""The seam between what asks a model and what sends, counts and keeps the calls."""

from __future__ import annotations

from typing import Protocol

from promptlathe.records import Answer, Failure, Request, Role


class Context(Protocol):
    """The only way to a model, for targets, scorers and operators.

    A call asks the ledger, then the account, is sent, retried, recorded and counted. Equal calls
    are one call.
    """

    async def call(self, request: Request, *, role: Role = "task", step: str = "") -> Answer:
        """The answer. `step` names the step of the target, or the judge, that asks.

        Raises `UnitEnded` for what ends the cell: the budget, a service that stays away, and what
        the service refused because of the prompt.
        """
        ...


class UnitEnded(BaseException):
    """No error of the program: a function of yours that catches `Exception` lets it through."""


class Abandoned(UnitEnded):
    """A limit of the budget was reached: nothing is scored."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class CallFailed(UnitEnded):
    """A call gave no answer, retries included."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure
