"""GEPA's standard request for a better instruction, read as a rewriting request.

It shows the instruction in a first fence of backticks, then rows under `# Example 1` with
`## Inputs`, `## Generated Outputs` and `## Feedback`, and asks for the new one within backticks.
"""

import re

from promptlathe.models.pocket.demos import clean_label, read_output
from promptlathe.models.pocket.labels import read_labels
from promptlathe.models.pocket.requests import Request, Row

FENCE = "```"
_OPENING = "assistant with the following instructions"
_CLOSING = re.compile(r"new instructions? (?:with)?in ```(?: blocks?)?\.?\s*\Z")
_EXAMPLE = re.compile(r"^# Example \d+[ \t]*$", re.MULTILINE)
_FIELD = re.compile(r"^## (.+?)[ \t]*$", re.MULTILINE)
_INNER = re.compile(r"^#{3,6} .*$", re.MULTILINE)
_RIGHT = re.compile(
    r"\b(?:right|correct|expected|gold) (?:answer|label|output)(?: is|:)+\s*[\"'`]?(.+?)[\"'`]?"
    r"(?:\.(?:\s|$)|\n|$)",
    re.IGNORECASE,
)
_WRONG = re.compile(r"\b(?:wrong|incorrect|not right|false)\b", re.IGNORECASE)


def read_reflection(content: str) -> Request | None:
    """The request, when it is one of these."""
    head = content[:400]
    if _OPENING not in head or not _CLOSING.search(content[-200:]):
        return None
    first = content.find(FENCE + "\n")
    middle = re.compile(r"\n```\s*\n+The following are examples").search(content, first)
    if first < 0 or middle is None:
        return None
    current = content[first + 4 : middle.start()]
    labels = list(read_labels(current).definitions)
    rows = tuple(_rows(content[middle.end() : content.rfind("\n" + FENCE)], labels))
    return Request(kind="rewrite", tag=FENCE, current=current.strip("\n"), rows=rows)


def _rows(shown: str, labels: list[str]) -> list[Row]:
    found: list[Row] = []
    for example in _EXAMPLE.split(shown)[1:]:
        parts = _FIELD.split(example)
        fields = dict(zip(parts[1::2], parts[2::2], strict=True))
        answered = fields.get("Generated Outputs", "").strip()
        feedback = fields.get("Feedback", "").strip()
        told = _RIGHT.search(feedback)
        wrong = bool(_WRONG.search(feedback))
        read = read_output(answered, labels) if answered and not wrong else None
        expected = clean_label(told[1]) if told else read.label if read else ""
        text = _INNER.sub("", fields.get("Inputs", "")).strip()
        if expected and text:
            found.append(Row(text, expected, answered, feedback if wrong else ""))
    return found
