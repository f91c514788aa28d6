"""A scripted model for the tasks of the gallery: it does what a prompt says, and nothing else.

It knows each row's reference. It gives it the more surely, the more of the task's `signs` (texts of
levels that help) stand in the prompt, and else a poor answer. As a judge it finds
references good. As a rewriter it gives texts that change nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from promptlathe.records import content_hash
from promptlathe.scoring import Objective
from promptlathe.starter import starter
from promptlathe.testing.scripted import Arrived

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What the scripted model knows of a task."""

    key: str
    """The field that tells a row in a prompt."""
    reference: str
    """The field with a right answer."""
    signs: tuple[str, ...]
    poor: Callable[[str], str] = field(default=lambda right: " ".join(right.split()[:4]))


KNOWN = {
    "invoice_fields": Known(
        "text",
        "fields",
        ("Rules:", "null"),
        lambda right: json.dumps({"supplier": json.loads(right)["supplier"], "total": 0}),
    ),
    "meeting_summaries": Known(
        "notes", "summary", ("word for word", "responsible", "limit of words")
    ),
    "shop_translations": Known(
        "text", "translation", ("U+202F", "as the line above", "false friends")
    ),
    "calm_rewrites": Known("draft", "rewrite", ("Keep every name", "No reproach")),
    "product_copy": Known("brief", "copy", ("exactly as in the brief", "Claim only")),
    "shop_manual": Known(
        "question",
        "answer",
        ("passages only", "square brackets", 'write only "Not found'),
        lambda right: "Ask the shop.",
    ),
    "french_law": Known("question", "answer", ("entre crochets", "seulement «")),
}


@cache
def rows(task: str) -> tuple[Row, ...]:
    """All of them."""
    objective = Objective.load(starter() / "objectives" / task / "objective.yaml")
    return tuple(e.row for split in ("train", "select", "test") for e in objective.examples(split))


def right(task: str, row: Row) -> str:
    """The reference, as a text."""
    found = row[KNOWN[task].reference]
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def model_of(task: str) -> Callable[[Arrived], str]:
    """Task, judge and rewriter in one, as a run file without more has it."""
    known = KNOWN[task]
    references = [right(task, row) for row in rows(task)]

    def answer(arrived: Arrived) -> str:
        prompt = arrived.prompt
        if "<new>" in prompt:
            return f"<new>Do it with care, please, number {len(prompt)}.</new>"
        if "rationale" in prompt:
            good = any(reference in prompt.rpartition("\n# ")[2] for reference in references)
            return json.dumps({"rationale": "So.", "level": arrived.choices[-1 if good else 0]})
        row = max(rows(task), key=lambda row: prompt.rfind(row[known.key]))
        asked = sum(sign in prompt for sign in known.signs) / len(known.signs)
        luck = int(content_hash(["gallery", row["id"]]), 16) % 100 / 100
        said = right(task, row)
        return said if luck < 0.2 + 0.75 * asked else known.poor(said)

    return answer
