"""What is sent and what comes back, by API: everything else about a service is one client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from promptlathe.models import chat, decisions, images_api
from promptlathe.models.dialect import Dialect
from promptlathe.records import Answer, Api, Call, Failure


class Wire(Protocol):
    """One API. A wire holds no state."""

    @property
    def path(self) -> str:
        """Below the base URL."""
        ...

    def body(self, call: Call, dialect: Dialect) -> dict[str, Any]:
        """The JSON that is sent."""
        ...

    def read(
        self,
        content: bytes,
        latency: float,
        headers: Mapping[str, str],
        *,
        hide: Callable[[str], str],
        labels: Sequence[str] = (),
    ) -> Answer | Failure:
        """The response's body as an answer.

        headers: with names in lower case. labels: whose chances were asked for.
        """
        ...


class Chat:
    """Chat completions."""

    path = chat.PATH
    body = staticmethod(chat.request_body)
    read = staticmethod(chat.read_answer)


class Decisions:
    """Questions with probabilities."""

    path = decisions.PATH
    body = staticmethod(decisions.request_body)
    read = staticmethod(decisions.read_answer)


class Images:
    """Pictures that are drawn."""

    path = images_api.PATH
    body = staticmethod(images_api.request_body)
    read = staticmethod(images_api.read_answer)


_WIRES: dict[Api, Wire] = {"chat": Chat(), "decisions": Decisions(), "images": Images()}


def wire_of(api: Api) -> Wire:
    """The wire of an API; `text_to_image` has a client of its own."""
    return _WIRES[api]
