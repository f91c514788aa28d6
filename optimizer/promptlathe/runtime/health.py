"""When a model cannot be used: stop at once with advice, or after failures in a row."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from promptlathe.errors import InputError, ModelUnavailable
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Call, Failure, FailureReason, Outcome, Role
from promptlathe.runtime.knock import knock

HOPELESS: tuple[FailureReason, ...] = ("authentication", "quota", "not_found")
IN_A_ROW = 12
"""Failed calls, each retried already, that were begun after the last answer came: many that hang
end together, and say little while others are answered."""
KNOCKS = (0.0, 0.5, 1.5)
"""Seconds to wait before each attempt to reach the service, at the start of a job."""

_FIXES: dict[FailureReason, str] = {
    "authentication": "check the key in the variable that `model.api_key_env` names",
    "quota": "the account has no quota or credit left: top it up, or use another key",
    "not_found": "check `model.name` and `model.base_url` (it usually ends in /v1)",
    "bad_request": "the service refuses the request: check the model's parameters",
    "forbidden": "the key has no right to this model, or the service refuses what is asked",
    "context_length": "the prompts are too long for the model: take fewer demos, or another model",
    "content_filter": "the service's filter refuses all rows: check what they hold",
    "scorer": "the judge gives no verdict that can be read: check `judge`",
    "target": "mend the function",
    "rate_limited": "lower `parallel.concurrency`, or wait; what was answered is kept",
    "timeout": "raise `model.timeout`, or lower `parallel.concurrency`",
    "connection": "check `model.base_url` and the network; is the server running?",
    "server_error": "the service is in trouble: try again later; what was answered is kept",
    "malformed": "the service does not answer as OpenAI's chat completions do",
}


@dataclass
class Health:
    """Watches the calls, and what your own functions make of the answers, for systematic failure.

    Requests to the rewriter are left out: a search can go on without them.
    """

    fixed: Mapping[Role, str]
    """By role, the only model that its calls may go to, where the space names no other."""
    _in_a_row: dict[Role, int] = field(default_factory=dict[Role, int])
    _answered: set[str] = field(default_factory=set[str])
    """Models that have answered."""
    _answers: dict[Role, int] = field(default_factory=dict[Role, int])
    _unscored: int = 0
    proven: bool = False
    """An outcome came that says something."""

    def answers(self, role: Role) -> int:
        """How many calls of a role were answered."""
        return self._answers.get(role, 0)

    def watch(self, call: Call, reply: Answer | Failure, *, before: int = 0) -> None:
        """Raises ModelUnavailable for a hopeless failure, or after IN_A_ROW of any kind.

        before: `answers` of its role when the call was begun.
        """
        if call.role == "rewrite":
            return
        if isinstance(reply, Answer):
            self._in_a_row[call.role] = 0
            self._answers[call.role] = self.answers(call.role) + 1
            self._answered.add(call.model)
            return
        if reply.of_prompt and self._answered:
            return  # other prompts are answered: this one's failures are its own
        recent = before == self.answers(call.role)
        found = self._in_a_row[call.role] = self._in_a_row.get(call.role, 0) + recent
        only = self.fixed.get(call.role) == call.model
        hopeless = reply.reason in HOPELESS and only
        if hopeless and reply.reason == "not_found":
            hopeless = call.model not in self._answered
        if hopeless or found >= IN_A_ROW:
            raise ModelUnavailable(call.model, reply.reason, reply.detail, _FIXES[reply.reason])

    def gone(self, call: Call, failure: Failure) -> ModelUnavailable:
        """The error for a service that did not come back."""
        return ModelUnavailable(call.model, failure.reason, failure.detail, _FIXES[failure.reason])

    def watch_outcome(self, outcome: Outcome) -> None:
        """Raises InputError when your functions fail IN_A_ROW times without a score between."""
        failure = outcome.failure
        if failure is None or failure.reason not in ("scorer", "target"):
            self._unscored = 0
            self.proven |= failure is None and not outcome.unread
            return
        self._unscored += 1
        if self._unscored >= IN_A_ROW:
            raise InputError(
                f"{IN_A_ROW} cells in a row have no score: {failure.detail}",
                "scorers" if failure.reason == "scorer" else "target",
                "mend the function",
            )


async def check_reachable(settings: ModelSettings) -> None:
    """Raises ModelUnavailable when nothing listens at the service's address.

    An outage is waited out while a job runs; a service that was never there shows within seconds.
    """
    said = ""
    for pause in KNOCKS:
        await asyncio.sleep(pause)
        said = await knock(settings)
        if not said:
            return
    raise ModelUnavailable(settings.name, "connection", said, _FIXES["connection"])
