"""A side of the final comparison as an MLflow evaluation run: a trace for every row.

What `mlflow.genai.evaluate` would store, without its thread pools and its active run: a trace
with the row as inputs and the answer as outputs, the messages that were sent in a span below,
the target as an expectation and each score as feedback; the run holds `<scorer>/mean`.
"""

import base64
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from promptlathe.records import Answer, Failure, Message, Outcome, Scalar
from promptlathe.space.template import render
from promptlathe.track.backend import Backend, Batch
from promptlathe.track.records import About, Side
from promptlathe.track.runs import PARENT, Run, begin, end, log, log_datasets

if TYPE_CHECKING:
    from mlflow.entities import Assessment, Span, TraceInfo

PREVIEW = 1000
"""Characters of a trace's inputs and outputs that lists show."""
NAMES: Mapping[Side, str] = {
    "seed": "test: seed prompt",
    "best": "test: best prompt",
    "champion": "test: registered champion",
}


@dataclass
class EvaluationRun:
    """One side, while its rows arrive."""

    side: Side
    run: Run
    outcomes: list[Outcome] = field(default_factory=list[Outcome])

    def means(self) -> dict[str, float]:
        """`<scorer>/mean` over the rows that were answered."""
        scores: dict[str, list[float]] = {}
        for outcome in self.outcomes:
            for scorer, score in outcome.scores.items():
                scores.setdefault(scorer, []).append(score)
        return {f"{scorer}/mean": sum(s) / len(s) for scorer, s in scores.items()}


def begin_evaluation(
    backend: Backend, experiment: str, parent: Run, side: Side, about: About
) -> EvaluationRun:
    """An evaluation run below the optimization's run."""
    tags = {
        PARENT: parent.id,
        "mlflow.runType": "genai_evaluate",
        "promptlathe.kind": "evaluation",
        "promptlathe.side": side,
    }
    run = begin(backend, experiment, NAMES[side], tags)
    log_datasets(backend, run, [d for d in about.datasets if d.split == "test"])
    return EvaluationRun(side, run)


def log_rows(
    backend: Backend,
    experiment: str,
    about: About,
    rows: Sequence[tuple[EvaluationRun, Outcome]],
    batch: Batch,
) -> None:
    """Store a trace for each row, within a transaction."""
    spans: list[Span] = []
    with batch.collected():
        for side, outcome in rows:
            info, own = trace(experiment, side.run.id, about, outcome)
            backend.store.start_trace(info)
            spans += own
    backend.store.log_spans(experiment, spans)


def end_evaluation(backend: Backend, side: EvaluationRun) -> None:
    """Write the means and close the run."""
    told = side.outcomes
    answered = [o for o in told if isinstance(o.reply, Answer)]
    tokens = [o.tokens for o in answered]
    costs = [o.cost for o in answered]
    metrics: dict[str, float | None] = {
        **side.means(),
        "examples": len(told),
        "failures": len(told) - len(answered),
        "unparsed": sum(o.unparsed for o in told),
        "tokens": None if None in tokens else sum(t for t in tokens if t is not None),
        "cost_usd": None if None in costs else sum(c for c in costs if c is not None),
    }
    log(backend, side.run, metrics=metrics)
    end(backend, side.run)


def trace(
    experiment: str, run_id: str, about: About, outcome: Outcome
) -> "tuple[TraceInfo, list[Span]]":
    """MLflow's records for one row of an evaluation run."""
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    cell, reply = outcome.cell, outcome.reply
    inputs = {k: v for k, v in cell.example.row.items() if k != about.target}
    answer, latency = (reply.text, reply.latency) if isinstance(reply, Answer) else (None, 0.0)
    finish = time.time_ns()
    start = finish - int(latency * 1e9)
    trace_id = uuid4().hex
    spans = _Spans(trace_id, start, finish, reply if isinstance(reply, Failure) else None)
    metadata = {"mlflow.sourceRun": run_id, "promptlathe.example": cell.example.id}
    usage = _usage(reply)
    if usage:
        metadata["mlflow.trace.tokenUsage"] = json.dumps(usage)
    if outcome.cost is not None:
        metadata["mlflow.trace.cost"] = json.dumps({"total_cost": outcome.cost})
    info = TraceInfo(
        trace_id=f"tr-{trace_id}",
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=start // 1_000_000,
        state=TraceState.ERROR if isinstance(reply, Failure) else TraceState.OK,
        request_preview=_json(inputs)[:PREVIEW],
        response_preview=answer and answer[:PREVIEW],
        execution_duration=(finish - start) // 1_000_000,
        trace_metadata=metadata,
        tags={
            "mlflow.traceName": about.prompt,
            "mlflow.trace.spansLocation": "TRACKING_STORE",
        },
        assessments=_assessments(run_id, about, outcome),
    )
    root = spans.make("row", "CHAIN", inputs, answer)
    messages = render(cell.candidate.prompt, cell.example.row)
    parameters = {**about.parameters, **dict(cell.candidate.prompt.parameters)}
    model = str(parameters.pop("name", about.model))
    sent = spans.make(
        about.model,
        "CHAT_MODEL",
        _request(model, messages, parameters),
        _response(answer),
        {"mlflow.chat.tokenUsage": usage, "mlflow.llm.model": model} if usage else {},
        parent=root,
    )
    return info, [root, sent]


class _Spans:
    """Makes the finished spans of one trace."""

    def __init__(self, trace_id: str, start: int, finish: int, failure: Failure | None) -> None:
        self._trace_id, self._start, self._finish = trace_id, start, finish
        self._status = {"code": "STATUS_CODE_OK", "message": ""}
        if failure:
            said = f"{failure.reason}: {failure.detail}"
            self._status = {"code": "STATUS_CODE_ERROR", "message": said}

    def make(
        self,
        name: str,
        kind: str,
        inputs: object,
        outputs: object,
        attributes: Mapping[str, object] | None = None,
        *,
        parent: "Span | None" = None,
    ) -> "Span":
        from mlflow.entities import Span

        content = {
            "mlflow.traceRequestId": f"tr-{self._trace_id}",
            "mlflow.spanType": kind,
            "mlflow.spanInputs": inputs,
            "mlflow.spanOutputs": outputs,
            **(attributes or {}),
        }
        return Span.from_dict(
            {
                "trace_id": _base64(bytes.fromhex(self._trace_id)),
                "span_id": _base64(os.urandom(8)),
                "parent_span_id": parent and _base64(bytes.fromhex(parent.span_id)),
                "name": name,
                "start_time_unix_nano": self._start,
                "end_time_unix_nano": self._finish,
                "status": self._status,
                "attributes": {key: _json(value) for key, value in content.items()},
                "events": [],
            }
        )


def _assessments(run_id: str, about: About, outcome: Outcome) -> "list[Assessment]":
    from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback

    source = {"mlflow.assessment.sourceRunId": run_id}
    found: list[Assessment] = []
    row = outcome.cell.example.row
    if about.target is not None and row.get(about.target) is not None:
        human = AssessmentSource("HUMAN", "dataset")
        expected = row[about.target]
        value = expected if isinstance(expected, str | int | float | bool) else _json(expected)
        found.append(Expectation(about.target, value, source=human, metadata=source))
    for scorer, score in outcome.scores.items():
        found.append(
            Feedback(
                scorer,
                bool(score) if scorer in about.pass_fail else score,
                source=AssessmentSource("CODE", scorer),
                rationale=rationale(outcome, about.target),
                metadata=source,
            )
        )
    if isinstance(outcome.reply, Failure):
        found.append(
            Feedback(
                "call",
                error=AssessmentError(outcome.reply.reason, outcome.reply.detail),
                source=AssessmentSource("CODE", "promptlathe"),
                metadata=source,
            )
        )
    return found


def rationale(outcome: Outcome, target: str | None) -> str:
    """Why a row scored as it did, in one line."""
    expected = f"expected {outcome.cell.example.row.get(target)!r}" if target else ""
    if outcome.unparsed:
        read = "the answer could not be parsed"
    elif outcome.parsed is not None:
        read = f"read {outcome.parsed!r}"
    else:
        read = ""
    return ", ".join(part for part in (expected, read) if part)


def _request(
    model: str, messages: Sequence[Message], parameters: Mapping[str, Scalar]
) -> dict[str, Any]:
    return {"model": model, "messages": [m.to_dict() for m in messages], **parameters}


def _response(answer: str | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": answer}}]}


def _usage(reply: Answer | Failure) -> dict[str, int] | None:
    match reply:
        case Answer(input_tokens=int(i), output_tokens=int(o)):
            return {"input_tokens": i, "output_tokens": o, "total_tokens": i + o}
        case _:
            return None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
