"""Why nothing could be learned: where every answer scores the same, a sample says what to mend."""

import re
from collections.abc import Sequence

from promptlathe.data.values import as_text, squeeze
from promptlathe.job.job import Job
from promptlathe.records import Outcome
from promptlathe.results.rows import NEAR, cut
from promptlathe.scoring import Contract, Objective
from promptlathe.space import Demos

FEWEST = 8
"""Scored cells below which equal scores may be chance."""
SAID, LISTED = 160, 120
"""Characters of an answer, and of the labels."""
ALONE = re.compile(
    r"\b(only|just|nothing else|exactly|alone|seule?(?:ment)?|uniquement|rien d.autre)\b",
    re.IGNORECASE,
)
"""Words that ask for the bare answer."""


def flat_notes(job: Job, outcomes: Sequence[Outcome]) -> list[str]:
    """A note with a sample when all values are the same; else nothing.

    outcomes: of every prompt and split; of a cell that was told twice one counts.
    """
    cells = {one.cell.key: one for one in outcomes}
    scored = [one for one in cells.values() if one.value is not None]
    values = [one.value for one in scored if one.value is not None]
    if len(scored) < FEWEST or max(values) - min(values) > NEAR:
        return []
    value, bounds = values[0], job.objective.bounds
    low, high = bounds or (0.0, None)
    head = f"every one of the {len(scored):,} answers scored {value:g}"
    sample = _sample(scored)
    if abs(value - low) <= NEAR:
        return [f"{head}, the worst that there is. {_told(job, sample)} {_remedy(job, sample)}"]
    if high is not None and abs(value - high) <= NEAR:
        return [
            f"{head}, the best that there is: these rows cannot tell prompts apart. "
            f"{_told(job, sample)} Try harder rows, or a stricter scorer."
        ]
    return [
        f"{head}: the scorer does not tell answers apart. {_told(job, sample)} See whether "
        "it looks at the answer."
    ]


def whole_text_notes(job: Job) -> list[str]:
    """Before a run: labels are compared with whole answers, and no prompt asks for the bare one."""
    objective, space = job.objective, job.space
    shown = any(isinstance(one, Demos) for one in space.components.values())
    if job.function or job.operators or space.chained or shown or not objective.labels:
        return []
    if not _compares_whole(objective.contract) or any(ALONE.search(t) for _, t in space.texts()):
        return []
    return [
        f"whole answers are compared with {_quoted(objective.labels[0])} and such, and no prompt "
        f"asks for the label only: {_example(objective)} reads the label in an answer"
    ]


def _sample(scored: Sequence[Outcome]) -> Outcome:
    """One that was read, where there is one."""
    return min(scored, key=lambda one: (one.failure is not None, one.unread))


def _told(job: Job, sample: Outcome) -> str:
    """The row, the answer, what was read in it, and what is right."""
    row, target = sample.cell.example, job.objective.target
    expected = row.row.get(target) if target is not None else None
    right = "" if expected is None else f"; right is {_quoted(as_text(expected))}"
    name = row.row.get("id") or row.id
    if sample.failure is not None:
        reason, detail = sample.failure.reason, sample.failure.detail
        return f"For example the row {name}: no answer ({reason}: {cut(detail, SAID)}){right}."
    said = f"For example the row {name}: the answer is {_quoted(sample.trace.text)}"
    read = "nothing could be read" if sample.parsed is None else f"read as {_quoted(sample.parsed)}"
    if sample.parsed is not None and squeeze(sample.parsed) == squeeze(sample.trace.text):
        read = ""
    return f"{said}{f', {read}' if read else ''}{right}."


def _remedy(job: Job, sample: Outcome) -> str:
    objective = job.objective
    contract, labels = objective.contract, objective.labels
    if sample.failure is not None:
        return "See what the prompts ask of the model."
    if sample.unread:
        asked = contract.sentences(labels)
        ask = f" Ask for it in the prompt: “{cut(asked[-1], SAID)}”" if asked else ""
        return f"{contract.reading}{ask}"
    target = objective.target
    expected = None if target is None else sample.cell.example.row.get(target)
    if expected is None:
        return "See whether the scorer looks at the answer."
    if _compares_whole(contract) and any(
        squeeze(as_text(one)) in squeeze(sample.trace.text)
        for one in (expected if isinstance(expected, list) else [expected])
    ):
        return (
            f"The right answer stands in it, but the whole answer is compared. Try "
            f"{_example(objective)}, or ask for the bare answer in the prompt."
        )
    known = {squeeze(label) for label in labels}
    if labels and squeeze(sample.parsed or "") not in known:
        listed = cut(", ".join(labels), LISTED)
        return f"That is none of the labels: name them in the prompt ({listed})."
    return (
        f"See whether the prompt shows the row's fields, and whether {target!r} is the field with "
        "the right answer."
    )


def _compares_whole(contract: Contract) -> bool:
    return contract.said is None and contract.parse == ("text",)


def _example(objective: Objective) -> str:
    """The first scorer, with a parse step that reads the right answers, in YAML and Python."""
    scorer = next(one for one in objective.scorers if one.target_field == objective.target)
    step = "label" if objective.labels else "{tag: answer}"
    python = "label" if objective.labels else {"tag": "answer"}
    if not objective.labels and all(
        isinstance(row.get(objective.target or ""), int | float) for row, _ in objective.rows
    ):
        step = python = "number"
    return (
        f"`{scorer.keyword}: {{target: {objective.target}, parse: {step}}}` "
        f"(in Python {scorer.keyword}({objective.target!r}, parse={python!r}))"
    )


def _quoted(text: str) -> str:
    return repr(cut(" ".join(text.split()), SAID))
