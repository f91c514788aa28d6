"""The finished spans of one trace, made of what was sent and what came back.

`Span.from_dict` instead of live spans: those are exported one by one (track/backend.py).
"""

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promptlathe.records import Answer, Failure, Sent

if TYPE_CHECKING:
    from mlflow.entities import Span


class Spans:
    """Makes the spans of one trace, the root first; the same ids each time."""

    def __init__(self, trace_id: str) -> None:
        self._trace_id, self._made = trace_id, 0

    def root(
        self, inputs: object, output: object, failure: Failure | None, *, start: int, finish: int
    ) -> "Span":
        """The row and the output. Times in nanoseconds since 1970."""
        attributes = {"mlflow.spanInputs": inputs, "mlflow.spanOutputs": output}
        return self._make("row", "CHAIN", attributes, failure, start=start, finish=finish)

    def call(self, sent: Sent, root: "Span", *, start: int, finish: int) -> "Span":
        """A call: the messages as they were sent, and the reply."""
        call, reply = sent.call, sent.reply
        messages = [message.to_dict() for message in call.messages]
        attributes: dict[str, object] = {
            "mlflow.spanInputs": {
                "model": call.model,
                "messages": messages,
                **dict(call.parameters),
            },
            "mlflow.spanOutputs": _response(reply) if isinstance(reply, Answer) else None,
            "mlflow.llm.model": call.model,
        }
        if used := usage((reply,) if isinstance(reply, Answer) else ()):
            attributes["mlflow.chat.tokenUsage"] = used
        return self._make(
            call.step or call.model,
            "CHAT_MODEL",
            attributes,
            reply if isinstance(reply, Failure) else None,
            start=start,
            finish=finish,
            parent=root,
        )

    def _make(
        self,
        name: str,
        kind: str,
        attributes: Mapping[str, object],
        failure: Failure | None,
        *,
        start: int,
        finish: int,
        parent: "Span | None" = None,
    ) -> "Span":
        from mlflow.entities import Span

        self._made += 1
        content = {
            "mlflow.traceRequestId": f"tr-{self._trace_id}",
            "mlflow.spanType": kind,
            **attributes,
        }
        said = f"{failure.reason}: {failure.detail}" if failure else ""
        return Span.from_dict(
            {
                "trace_id": _base64(bytes.fromhex(self._trace_id)),
                "span_id": _base64(self._made.to_bytes(8)),
                "parent_span_id": parent and _base64(bytes.fromhex(parent.span_id)),
                "name": name,
                "start_time_unix_nano": start,
                "end_time_unix_nano": finish,
                "status": {"code": f"STATUS_CODE_{'ERROR' if failure else 'OK'}", "message": said},
                "attributes": {key: as_json(value) for key, value in content.items()},
                "events": [],
            }
        )


def usage(answers: tuple[Answer, ...]) -> dict[str, int] | None:
    """Tokens of answers together; None when a service does not tell."""
    if not answers or any(answer.tokens is None for answer in answers):
        return None
    read = sum(answer.input_tokens or 0 for answer in answers)
    written = sum(answer.output_tokens or 0 for answer in answers)
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def as_json(value: object) -> str:
    """JSON of anything; what has none is shown as text."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _response(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.tool_calls:
        message["tool_calls"] = [dict(call) for call in answer.tool_calls]
    return {"choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}]}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
