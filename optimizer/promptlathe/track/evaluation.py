"""A side of the final comparison as an MLflow evaluation run: a trace for every row.

What `mlflow.genai.evaluate` would store, without its thread pools and its active run: a trace
with the row as inputs and the output as outputs, a span below for each call that was made, the
target as an expectation and each score as feedback; the run holds `<scorer>/mean`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

from promptlathe.records import Answer, FinalistName, Outcome, Sent, total
from promptlathe.track.backend import Backend, away
from promptlathe.track.records import About, Candidacy
from promptlathe.track.runs import PARENT, Run, begin, end, log, log_candidate, log_datasets
from promptlathe.track.spans import Spans, as_json, usage

if TYPE_CHECKING:
    from mlflow.entities import Assessment, Span, TraceInfo

PREVIEW = 1000
"""Characters of a trace's inputs and outputs that lists show."""


@dataclass
class EvaluationRun:
    """One side, while its rows arrive."""

    side: FinalistName
    run: Run
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    candidacy: Candidacy | None = None
    """What the search knows of it."""

    def means(self) -> dict[str, float]:
        """`<scorer>/mean` over the rows that were answered."""
        scores: dict[str, list[float]] = {}
        for outcome in self.outcomes:
            for scorer, score in outcome.scores.items():
                scores.setdefault(scorer, []).append(score)
        return {f"{scorer}/mean": sum(s) / len(s) for scorer, s in scores.items()}


def side_tags(parent: str, side: FinalistName) -> dict[str, str]:
    """By which a side's run is found."""
    return {PARENT: parent, "promptlathe.kind": "evaluation", "promptlathe.side": side}


def begin_evaluation(
    backend: Backend, experiment: str, parent: str, side: FinalistName, about: About, at: int
) -> Run:
    """An evaluation run below the optimization's run.

    Where only the first letter of a name is seen, it still says which side it is.
    """
    tags = side_tags(parent, side) | {"mlflow.runType": "genai_evaluate"}
    run = begin(backend, experiment, f"{side} · {about.label}", tags, at)
    log_datasets(backend, run, [d for d in about.datasets if d.split == "test"])
    return run


def log_rows(
    backend: Backend,
    experiment: str,
    about: About,
    rows: Sequence[tuple[EvaluationRun, Outcome, int]],
    problem: Callable[[Exception], object],
) -> None:
    """Store a trace for each row and its time; `problem` is told of one that is not taken.

    May be done again, as a whole: ids are made of the run and the row.
    """
    spans: list[Span] = []
    for side, outcome, at in rows:
        try:
            info, own = trace(experiment, side.run.id, about, outcome, at)
            backend.traces.start_trace(info)
            spans += own
        except Exception as error:
            if away(error):
                raise
            problem(error)
    if spans:
        backend.traces.log_spans(experiment, spans)


def end_evaluation(backend: Backend, side: EvaluationRun, at: int) -> None:
    """Write the means and close the run."""
    told = side.outcomes
    answered = [outcome for outcome in told if outcome.answer]
    metrics: dict[str, float | None] = {
        **side.means(),
        "examples": len(told),
        "failures": sum(outcome.value is None for outcome in told),
        "failed": sum(bool(o.failure and o.failure.of_prompt) for o in told),
        "unread": sum(outcome.unread for outcome in told),
        "tokens": total([outcome.tokens for outcome in answered]),
        "cost_usd": total([outcome.cost for outcome in answered]),
    }
    # First what held-out rows say: MLflow's pages show the metrics that were written first.
    log(backend, side.run, at, metrics=metrics)
    if side.candidacy:
        log_candidate(backend, side.run, side.candidacy, at)
    end(backend, side.run, at)


def trace(
    experiment: str, run_id: str, about: About, outcome: Outcome, at: int
) -> "tuple[TraceInfo, list[Span]]":
    """MLflow's records for one row of an evaluation run; `at`: milliseconds since 1970."""
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    example, failure = outcome.cell.example, outcome.failure
    inputs = {k: v for k, v in example.row.items() if k != about.target}
    times = _times(outcome.trace.calls, at)
    start, finish = times[0], times[-1]
    trace_id = _id(run_id, example.id, outcome.cell.repeat)
    metadata = {"mlflow.sourceRun": run_id, "promptlathe.example": example.id}
    if used := usage(outcome.trace.answers()):
        metadata["mlflow.trace.tokenUsage"] = as_json(used)
    if outcome.cost is not None:
        metadata["mlflow.trace.cost"] = as_json({"total_cost": outcome.cost})
    info = TraceInfo(
        trace_id=f"tr-{trace_id}",
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=start // 1_000_000,
        state=TraceState.ERROR if failure else TraceState.OK,
        request_preview=as_json(inputs)[:PREVIEW],
        response_preview=None if failure else outcome.trace.text[:PREVIEW],
        execution_duration=(finish - start) // 1_000_000,
        trace_metadata=metadata,
        tags={
            "mlflow.traceName": about.prompt,
            "mlflow.trace.spansLocation": "TRACKING_STORE",
        },
        assessments=_assessments(trace_id, run_id, about, outcome),
    )
    spans = Spans(trace_id)
    root = spans.root(inputs, outcome.trace.output, failure, start=start, finish=finish)
    calls = [
        spans.call(sent, root, start=begun, finish=ended)
        for sent, (begun, ended) in zip(outcome.trace.calls, pairwise(times), strict=False)
    ]
    return info, [root, *calls]


def _id(*parts: object) -> str:
    """32 hexadecimal digits."""
    return sha256("/".join(map(str, parts)).encode()).hexdigest()[:32]


def _times(calls: Sequence[Sent], at: int) -> list[int]:
    """When each call began, and the last ended: one after the other, up to `at`. Nanoseconds."""
    replies = (sent.reply for sent in calls)
    seconds = [reply.latency if isinstance(reply, Answer) else 0.0 for reply in replies]
    times = [at * 1_000_000 - int(sum(seconds) * 1e9)]
    for one in seconds:
        times.append(times[-1] + int(one * 1e9))
    return times


def _assessments(trace_id: str, run_id: str, about: About, outcome: Outcome) -> "list[Assessment]":
    from mlflow.entities import AssessmentError, AssessmentSource, Expectation, Feedback

    source = {"mlflow.assessment.sourceRunId": run_id}
    found: list[Assessment] = []
    row = outcome.cell.example.row
    if about.target is not None and row.get(about.target) is not None:
        human = AssessmentSource("HUMAN", "dataset")
        expected = row[about.target]
        value = expected if isinstance(expected, str | int | float | bool) else as_json(expected)
        found.append(Expectation(about.target, value, source=human, metadata=source))
    judges = {sent.call.step for sent in outcome.trace.calls if sent.call.role == "judge"}
    for scorer, score in outcome.scores.items():
        found.append(
            Feedback(
                scorer,
                bool(score) if scorer in about.pass_fail else score,
                source=AssessmentSource("LLM_JUDGE" if scorer in judges else "CODE", scorer),
                rationale=outcome.rationales.get(scorer) or rationale(outcome, about.target),
                metadata=source,
            )
        )
    if failure := outcome.failure:
        found.append(
            Feedback(
                "call",
                error=AssessmentError(failure.reason, failure.detail),
                source=AssessmentSource("CODE", "promptlathe"),
                metadata=source,
            )
        )
    for number, one in enumerate(found):
        one.assessment_id = f"a-{_id(trace_id, number)}"
    return found


def rationale(outcome: Outcome, target: str | None) -> str:
    """Why a row scored as it did, in one line, when the scorer does not say."""
    expected = f"expected {outcome.cell.example.row.get(target)!r}" if target else ""
    if outcome.unread:
        read = "the output could not be read"
    elif outcome.parsed is not None:
        read = f"read {outcome.parsed!r}"
    else:
        read = ""
    return ", ".join(part for part in (expected, read) if part)
