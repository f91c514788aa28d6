"""Rows and scorers as promptfoo's tests and assertions.

An assertion holds for all rows (`defaultTest`), and names the row's field that it compares with.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlathe.data.values import as_text
from promptlathe.records import Json

_PLACEHOLDER = re.compile(r"\{\{|\{%|\{#")
_LOADED = ("file://", "package:")
"""What a value of a test begins with that promptfoo would load."""


@dataclass(frozen=True)
class Tests:
    """Of a configuration."""

    rows: tuple[Mapping[str, str], ...] = ()
    asserts: tuple[Mapping[str, Json], ...] = ()
    notes: tuple[str, ...] = ()


def tests_of(
    rows: Iterable[Mapping[str, Any]], entries: Sequence[Any], fields: Collection[str]
) -> Tests:
    """entries: the objective's scorers as they are spelled. fields: what the prompt shows."""
    asserts: list[Mapping[str, Json]] = []
    needed: set[str] = set()
    notes: list[str] = []
    for entry in entries:
        name, spec = next(iter(entry.items())) if isinstance(entry, dict) else (str(entry), {})
        made = _assertion(name, spec if isinstance(spec, dict) else {})
        if made is None:
            notes.append(f"the scorer {name} has no counterpart in promptfoo and is left out")
            continue
        assertion, target, note = made
        asserts.append(assertion)
        needed |= {target} if target else set()
        notes += [note] if note else []
    shown = [*fields, *sorted(needed - {*fields})]
    kept = [row for row in rows if all(_whole(row.get(name)) for name in shown)]
    total = list(rows) if isinstance(rows, Sequence) else kept
    if lost := len(total) - len(kept):
        notes.append(
            f"{lost} of {len(total)} rows are left out: promptfoo would change their values "
            "(braces of a template, a line end at the end, lists)"
        )
    notes.append("rows of test are not among the tests: what is tuned on them tests nothing more")
    values = ({name: as_text(row[name]) for name in shown} for row in kept)
    return Tests(tuple(values), tuple(asserts), tuple(notes))


def _whole(value: Any) -> bool:
    """promptfoo leaves it as it is. It fills values in each other, and takes a list for several
    tests."""
    if isinstance(value, str):
        changed = _PLACEHOLDER.search(value) or value.endswith("\n") or value.startswith(_LOADED)
        return not changed
    return isinstance(value, bool | int | float)


Made = tuple[dict[str, Json], str | None, str | None]
"""An assertion, the field that it compares with, and what is different about it."""


def _assertion(name: str, spec: Mapping[str, Any]) -> Made | None:
    target = str(spec.get("target", ""))
    match name, spec.get("parse", "text"):
        case "exact_match", "text":
            value = f"context.vars[{target!r}]"
            said = (
                f"output.trim().toLowerCase() === String({value}).trim().toLowerCase()",
                f"exact_match({target}) also takes 1,200 for 1200 and other quotes; there only "
                "capitals and spaces around do not matter",
            )
            return {"type": "javascript", "value": said[0]}, target, said[1]
        case "exact_match", "label":
            note = (
                f"exact_match({target}) reads which label an answer settles on; there it is enough "
                "that the label stands in the answer"
            )
            return {"type": "icontains", "value": f"{{{{ {target} }}}}"}, target, note
        case "contains", "text":
            note = f"contains({target}) looks for whole words; there parts of words count, too"
            return {"type": "icontains", "value": f"{{{{ {target} }}}}"}, target, note
        case "regex", "text":
            note = "promptfoo reads the regular expression as JavaScript does"
            return {"type": "regex", "value": spec["pattern"]}, None, note
        case "rouge", "text":
            note = f"rouge({target}) is scored there as 1 from a threshold of 0.75 on, else 0"
            return {"type": "rouge-n", "value": f"{{{{ {target} }}}}"}, target, note
        case ("json_schema", "json" | "text" as parse) if isinstance(spec.get("schema"), dict):
            kind = "is-json" if parse == "text" else "contains-json"
            return {"type": kind, "value": spec["schema"]}, None, None
        case (("required" | "banned"), "text"):
            return _phrases(name, spec)
        case "judge", "text" if spec.get("rubric"):
            note = f"the judge {spec.get('name', 'judge')} is llm-rubric there: pass or fail"
            return {"type": "llm-rubric", "value": spec["rubric"]}, None, note
        case "length", "text" if spec.get("unit", "words") == "words":
            limits = {key: spec[key] for key in ("min", "max") if isinstance(spec.get(key), int)}
            return ({"type": "word-count", "value": limits}, None, None) if limits else None
        case _:
            return None


def _phrases(name: str, spec: Mapping[str, Any]) -> Made | None:
    given: Any = spec.get("phrases")
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        return None
    kind = "icontains-all" if name == "required" else "not-icontains-any"
    note = f"{name} looks for whole words; there parts of words count, too"
    return {"type": kind, "value": list(given)}, None, note
