"""Answers and events as rows of the ledger, and back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from promptlathe.ledger import tables
from promptlathe.ledger.records import Segment
from promptlathe.records import (
    Answer,
    Call,
    Dropped,
    Event,
    Failure,
    FailureReason,
    Key,
    Outcome,
    Rewritten,
    Sent,
)


def answer_row(call: Call, answer: Answer, at: datetime) -> dict[str, Any]:
    """Of `answers`."""
    return {
        "key": call.key,
        "model": call.model,
        "endpoint": call.endpoint,
        "role": call.role,
        "at": at,
        **{name: getattr(answer, name) for name in tables.ANSWER_COLUMNS},
        "tool_calls": [dict(one) for one in answer.tool_calls] or None,
        "likely": answer.likely or None,
    }


def answer_of(values: Sequence[Any]) -> Answer:
    """values: ANSWER_COLUMNS of a row, in order."""
    fields: dict[str, Any] = dict(zip(tables.ANSWER_COLUMNS, values, strict=True))
    fields["tool_calls"] = tuple(fields["tool_calls"] or ())
    fields["likely"] = tuple((label, chance) for label, chance in fields["likely"] or ())
    return Answer(**fields)


def told_row(event: Event) -> dict[str, Any]:
    """Of `told`, without the run and the place in it."""
    candidate, example, repeat = event.unit.key
    failure = None
    match event:
        case Outcome():
            failure = event.failure
        case Rewritten(sent=Sent(reply=Failure() as failure)):
            pass
        case _:
            pass
    return {
        "candidate": candidate,
        "example": example,
        "repeat": repeat,
        "value": event.value if isinstance(event, Outcome) else None,
        "failure": failure and failure.reason,
        "limit": event.limit if isinstance(event, Dropped) else None,
        "cached": False if isinstance(event, Dropped) else event.cached,
    }


def segment_of(rows: Sequence[Any], limit: str) -> Segment:
    """Rows of `told` in order, up to where `limit` stopped the stage."""
    keys: list[Key] = [(row.candidate, row.example, row.repeat) for row in rows]
    failed = {
        key: Failure(cast(FailureReason, row.failure), "as recorded")
        for key, row in zip(keys, rows, strict=True)
        if row.failure
    }
    dropped = {key: str(row.limit) for key, row in zip(keys, rows, strict=True) if row.limit}
    begun = ((key, row.after or 0) for key, row in zip(keys, rows, strict=True))
    return Segment(tuple(begun), limit, failed, dropped)
