"""When a model cannot be used: stop at once with advice, or after failures in a row."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from promptlathe.errors import ModelUnavailable
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Failure, FailureReason, Outcome

HOPELESS: tuple[FailureReason, ...] = ("authentication", "not_found")
IN_A_ROW = 12
"""Failed calls, each retried already, without one answer between them."""
KNOCKS = (0.0, 0.5, 1.5)
"""Seconds to wait before each attempt to reach the service, at the start of a job."""
KNOCK_SECONDS = 5.0

_FIXES: dict[FailureReason, str] = {
    "authentication": "check the key in the variable that `model.api_key_env` names",
    "not_found": "check `model.name` and `model.base_url` (it usually ends in /v1)",
    "bad_request": "the service refuses the request: check the model's parameters",
    "rate_limited": "lower `parallel.concurrency`, or wait; what was answered is kept",
    "timeout": "raise `model.timeout`, or lower `parallel.concurrency`",
    "connection": "check `model.base_url` and the network; is the server running?",
    "server_error": "the service is in trouble: try again later; what was answered is kept",
    "malformed": "the service does not answer as OpenAI's chat completions do",
}


@dataclass
class Health:
    """Watches outcomes for a systematic failure of one model."""

    model: str
    in_a_row: int = 0

    def watch(self, outcome: Outcome) -> None:
        """Raises ModelUnavailable for a hopeless failure, or after IN_A_ROW of any kind."""
        reply = outcome.reply
        if not isinstance(reply, Failure):
            self.in_a_row = 0
            return
        self.in_a_row += 1
        if reply.reason in HOPELESS or self.in_a_row >= IN_A_ROW:
            raise ModelUnavailable(self.model, reply.reason, reply.detail, _FIXES[reply.reason])


async def check_reachable(settings: ModelSettings) -> None:
    """Raises ModelUnavailable when nothing listens at the service's address.

    A client retries a lost connection for a good while, since a service may come back; one that
    was never there shows within seconds.
    """
    from promptlathe.models.transport import proxy_for

    parts = urlsplit(settings.endpoint)
    host = parts.hostname or ""
    if settings.embedded or proxy_for(parts.scheme, host):
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    said = ""
    for pause in KNOCKS:
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(KNOCK_SECONDS):
                _, writer = await asyncio.open_connection(host, port)
        except OSError as error:  # TimeoutError is one
            said = str(error) or f"no answer within {KNOCK_SECONDS:g} s"
        else:
            writer.close()
            return
    raise ModelUnavailable(settings.name, "connection", said, _FIXES["connection"])
