"""A table of answers with what a careful reader makes of each: labels, numbers, JSON and texts.

A row of answers.jsonl has an `answer`, what is `expected` (null: it cannot be read), and either a
`parse` with the known `labels`, or a `scorer` with the `target`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.outcomes import NoCalls

from promptlathe.records import Example, Trace
from promptlathe.scoring import Objective, exact_match
from promptlathe.scoring.parsing import parser
from promptlathe.scoring.scorer import Surroundings

TABLE = Path(__file__).with_name("answers.jsonl")
ROWS = [json.loads(line) for line in TABLE.read_text("utf-8").splitlines()]


def told(row: dict[str, Any]) -> Any:
    """What is read in the answer, or its score."""
    if "parse" in row:
        parse = exact_match("t", parse=row["parse"]).parse
        return parser(parse, lambda: row.get("labels", []))(row["answer"])
    scorer = Objective("any.jsonl", scorer=row["scorer"]).scorers[0]
    measure = scorer.measure(Surroundings(lambda _: [str(row["target"])], Path()))
    example = Example("e", {"t": row["target"]}, "select")
    return measure(example, Trace(row["answer"]), NoCalls()).value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['kind']}: {row['answer'][:40]!r}")
def test_answers_are_read_as_a_careful_reader_would(row: dict[str, Any]):
    found, expected = told(row), row["expected"]
    assert type(found) is type(expected) or not isinstance(expected, str | dict | None)
    assert found == pytest.approx(expected) if isinstance(expected, float) else found == expected
