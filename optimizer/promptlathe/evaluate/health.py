"""When a model cannot be used: stop at once with advice, or after failures in a row."""

from dataclasses import dataclass

from promptlathe.errors import ModelUnavailable
from promptlathe.records import Failure, FailureReason, Outcome

HOPELESS: tuple[FailureReason, ...] = ("authentication", "not_found")
IN_A_ROW = 12
"""Failed calls, each retried already, without one answer between them."""

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
