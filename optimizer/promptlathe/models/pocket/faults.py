"""Faults that the pocket server shows on request, for tests of clients and of whole jobs."""

import random
from dataclasses import dataclass
from typing import Literal, get_args

from promptlathe.errors import InputError

Fault = Literal["rate_limited", "server_error", "hang", "disconnect", "malformed", "no_usage"]


@dataclass(frozen=True, slots=True)
class Every:
    """Every n-th request: `Every(3)` means the requests 3, 6, 9 …, `Every(1)` all of them."""

    n: int


When = float | Every
"""A share of the requests, 0 to 1, drawn by the seed; or every n-th request."""


@dataclass(frozen=True)
class Faults:
    """Which requests go wrong, and how; without arguments none does.

    A request shows one fault at most: of two that are due by `Every` the one named first here.
    The fault of the n-th request depends on `seed` and n only.

    Raises:
        InputError: a share outside 0 to 1, shares above 1 together, `Every` below 1.
    """

    latency: float = 0.0
    """Seconds before each answer, faults included."""
    rate_limited: When = 0.0
    """429 with a Retry-After header of `retry_after` seconds."""
    server_error: When = 0.0
    """500."""
    hang: When = 0.0
    """No answer until the client gives up or the server closes."""
    disconnect: When = 0.0
    """The connection is cut without an answer."""
    malformed: When = 0.0
    """200 with half of the JSON text."""
    no_usage: When = 0.0
    """200 without token counts."""
    retry_after: float = 1.0
    require_key: str | None = None
    """401 for any other API key."""
    unknown_model: bool = False
    """404 for every model name, the pocket model's own as well."""
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, when in self._due:
            if when.n < 1 if isinstance(when, Every) else not 0.0 <= when <= 1.0:
                fix = "give a share from 0 to 1, or Every(1) and above"
                raise InputError(f"{when} names no requests", f"Faults.{kind}", fix)
        total = sum(when for _, when in self._due if not isinstance(when, Every))
        if total > 1.0 + 1e-9:
            raise InputError(f"the shares add up to {total:g}", "Faults", "1 at most, all together")

    def of_request(self, number: int) -> Fault | None:
        """The fault of the n-th request, counted from 1."""
        for kind, when in self._due:
            if isinstance(when, Every) and number % when.n == 0:
                return kind
        drawn = random.Random(f"{self.seed}:{number}").random()
        for kind, when in self._due:
            if not isinstance(when, Every):
                if drawn < when:
                    return kind
                drawn -= when
        return None

    @property
    def _due(self) -> list[tuple[Fault, When]]:
        return [(kind, getattr(self, kind)) for kind in get_args(Fault)]
