"""Rows that MLflow keeps: of an evaluation dataset, or of traces.

A process of its own (track/rows.py) asks MLflow, which this one does not import: the question is
JSON on its standard input, the answer JSON on its standard output.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from promptlathe.data.files import Row
from promptlathe.data.values import missing
from promptlathe.documents import Model
from promptlathe.errors import InputError

MLFLOW = "mlflow:"
SECONDS = 120.0
"""For MLflow's import, and its answer."""


class Traces(Model):
    """The traces of an MLflow experiment: the inputs of each one's root span are fields, and so
    are its expectations, by their names.

    filter: in MLflow's language, such as `tags.reviewed = 'yes'`. most: the latest so many.
    """

    traces: str = Field(min_length=1)
    filter: str | None = None
    most: int = Field(default=1000, ge=1)

    @property
    def place(self) -> str:
        """Of the source, for messages."""
        return f"{MLFLOW}traces of {self.traces}"


def mlflow_rows(source: str | Traces, store: str | None, where: str | None) -> Iterator[Row]:
    """The rows of the dataset named `source`, or of traces; `where` is the place that names it.

    store: its tracking URI; None: MLFLOW_TRACKING_URI. Raises `InputError`, also for a store
    that does not answer.
    """
    uri = store or os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        raise InputError(
            "the rows are in MLflow, and nothing says in which store",
            where,
            "set MLFLOW_TRACKING_URI; a job reads from the store that it records to",
        )
    if isinstance(source, Traces):
        asked, place = source.model_dump(), source.place
    else:
        asked, place = {"dataset": source}, f"{MLFLOW}{source}"
    for found in _ask(uri, asked, where, place):
        at = f"{place}: {found['id']}"
        yield Row(_fields(found["inputs"], found["expectations"], at), at)


def answered(rows: Sequence[Row], targets: Sequence[str], source: Traces) -> list[Row]:
    """The rows that have a value in each of these fields. Raises `InputError` when none has."""
    kept = [row for row in rows if not any(missing(row.values.get(one)) for one in targets)]
    if rows and not kept:
        names = sorted({name for row in rows for name in row.values})
        raise InputError(
            f"none of the {len(rows)} traces has the expectation {targets[0]!r}",
            source.place,
            f"there are: {', '.join(names)}; add the expectation to traces, or name another target",
        )
    return kept


def _fields(inputs: Any, expectations: Mapping[str, Any], at: str) -> dict[str, Any]:
    if not isinstance(inputs, Mapping):
        raise InputError(
            f"the inputs are {'missing' if inputs is None else type(inputs).__name__}, not fields",
            at,
            'record the inputs as an object, {"field": "value", …}, or leave it out by `filter`',
        )
    fields: dict[str, Any] = dict(inputs)  # pyright: ignore[reportUnknownArgumentType]  # JSON
    for name, value in expectations.items():
        if name in fields and fields[name] != value:
            raise InputError(
                f"{name!r} is both an input and an expectation, and they differ",
                at,
                "give the expectation another name",
            )
        fields[name] = value
    return fields


def _ask(
    uri: str, asked: Mapping[str, Any], where: str | None, place: str
) -> Sequence[Mapping[str, Any]]:
    command = [sys.executable, "-m", "promptlathe.track.rows"]
    question = json.dumps({"uri": uri, **asked})
    try:
        done = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"MLflow does not answer within {SECONDS:.0f} seconds", where or place, "try again"
        ) from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise InputError(
            f"MLflow does not give the rows: {last}", where or place, "see that MLflow works here"
        ) from None
    if "what" in answer:
        raise InputError(answer["what"], where or answer["where"] or place, answer["fix"])
    return answer["rows"]
