"""The space: the user's prompt as the seed, and around it what may vary.

A prompt whose text stands before its fields is cut there: what is before is the instruction, and
what varies stands around it in the same message. Chat messages keep their places. In any other
prompt the whole message is the instruction, and the rest goes into a system message of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptlathe.drafting.answers import Answers
from promptlathe.drafting.levels import Levels, filled
from promptlathe.drafting.prompts import Given
from promptlathe.search.operators.said import names_all
from promptlathe.space import placeholders

MOST_DEMOS = 8
DEMO_CHARACTERS = 8_000
"""Of all demos together: about 2,000 tokens."""
LONGEST_ENDING = 200
"""Characters of a prompt's end that is repeated in each demo."""
LONGEST_LIST = 3_000
"""Characters of the list of labels."""
ASIDE = ("role", "labels", "reasoning", "contract", "demos")
"""What stands in a system message beside a prompt that is the instruction as a whole."""


@dataclass(frozen=True)
class Part:
    """A component, and in one line why it is there."""

    value: Any
    why: str


Marks = Callable[[str], list[str]]
"""The placeholder of a component in a line of its own; nothing where there is no such component."""


@dataclass(frozen=True)
class Placed:
    """Which part of the user's prompt is the instruction, and where components stand around it."""

    instruction: str
    demo: Any
    """The template of one demo."""
    messages: Callable[[Marks], list[dict[str, str]]]
    whole: bool = False
    """The instruction is a whole message, fields and all: sections have no order with it."""


@dataclass(frozen=True)
class SpaceDraft:
    """What a space file holds."""

    messages: Any
    parts: Mapping[str, Part]
    constraints: tuple[Mapping[str, Any], ...]

    @property
    def data(self) -> dict[str, Any]:
        """As it is written."""
        told: dict[str, Any] = {
            "messages": self.messages,
            "components": {name: part.value for name, part in self.parts.items()},
        }
        return told | ({"constraints": list(self.constraints)} if self.constraints else {})


def draft_space(
    given: Given,
    answers: Answers,
    levels: Levels,
    *,
    target: str,
    fields: Sequence[str],
    row_characters: float,
    most_demos: int,
    strict: bool,
) -> SpaceDraft:
    """The space around a prompt.

    fields: all names that a row has, which no component may have.
    row_characters: of a row's shown fields and its answer, on average.
    most_demos: rows of train.
    strict: the model's service holds answers to a JSON schema.
    """
    names = _names(fields)
    placed = _placed(given, target)
    sections = dict(_sections(given, answers, levels, strict))
    role = sections.pop("role", None)
    body = ["instruction", *sections]
    found = {
        "role": role,
        "body": _order([names[one] for one in body]) if sections and not placed.whole else None,
        "instruction": Part(
            {"text": placed.instruction, "rewrite": True},
            "your prompt; operators write further texts of it from what goes wrong on train",
        ),
        **sections,
        "demos": _demos(placed.demo, answers, row_characters, most_demos),
    }
    parts = {name: part for name, part in found.items() if part is not None}

    def mark(name: str) -> list[str]:
        return [f"{{{{ {names[name]} }}}}"] if name in parts else []

    return SpaceDraft(
        placed.messages(mark),
        {names[name]: part for name, part in parts.items()},
        tuple(_constraints(names, parts)),
    )


def _sections(
    given: Given, answers: Answers, levels: Levels, strict: bool
) -> Iterator[tuple[str, Part]]:
    labels = ", ".join(answers.counts)
    values = {"labels": labels, "keys": ", ".join(answers.keys)}
    if role := levels.role.get(answers.kind):
        yield (
            "role",
            Part({"choice": {"none": None, "careful": role}}, "who the model is told to be"),
        )
    unnamed = answers.labelled and not names_all(given.text, list(answers.counts))
    if unnamed and levels.labels and len(labels) <= LONGEST_LIST:
        yield (
            "labels",
            Part(
                {
                    "choice": {"none": None, "names": filled(levels.labels, values)},
                    "rewrite": True,
                },
                "your prompt does not name all labels; operators add words that tell them apart",
            ),
        )
    if reasoning := levels.reasoning.get(answers.kind):
        yield (
            "reasoning",
            Part({"choice": {"none": None, "steps": reasoning}}, "thinking first costs tokens"),
        )
    contract = levels.contract.get(answers.kind)
    said: dict[str, Any] = {"only": filled(contract, values)} if contract else {}
    if strict and (schema := _schema(answers)):
        said["strict"] = {"text": None, "response_format": {"json": schema}}
    if said:
        yield (
            "contract",
            Part({"choice": {"none": None, **said}}, "what form the answer must have"),
        )


def _schema(answers: Answers) -> dict[str, str] | None:
    """What the service itself can hold the answer to."""
    if answers.labelled:
        return {"label": "labels"}
    if answers.kind == "json" and "mixed" not in answers.keys.values():
        return dict(answers.keys)
    return None


def _order(sections: list[str]) -> Part:
    forms = [sections, sections[1:] + sections[:1]]
    return Part({"order": sections, "layouts": forms}, "your instruction first, or last")


def _demos(template: Any, answers: Answers, row_characters: float, most: int) -> Part | None:
    most = min(MOST_DEMOS, most, int(DEMO_CHARACTERS / max(row_characters, 1)))
    if most < 1:
        return None
    select = ["balanced", "random"] if answers.labelled else ["diverse", "random"]
    return Part(
        {"demos": {"count": [0, most], "select": select, "draws": 6, "template": template}},
        f"solved rows of train; {most} at most, which take about "
        f"{round(most * row_characters / 4):,} tokens",
    )


def _constraints(names: Mapping[str, str], kept: Mapping[str, Part]) -> Iterator[Mapping[str, Any]]:
    contract = kept.get("contract")
    forms: Mapping[str, Any] = contract.value["choice"] if contract else {}
    if "label" in str(forms.get("strict")) and "demos" in kept:
        yield {"forbid": {names["contract"]: "strict", f"{names['demos']}.count": "> 0"}}


def _names(fields: Sequence[str]) -> dict[str, str]:
    """Of components: none that a row's field has."""
    wanted = ("role", "body", "instruction", "labels", "reasoning", "contract", "demos")
    return {name: f"{name}_part" if name in fields else name for name in wanted}


def _placed(given: Given, target: str) -> Placed:
    *before, (role, last) = given.messages
    if not before and (cut := _cut(last)):
        head, gap, tail = cut
        return Placed(
            head,
            _demo(tail, given.fields, target),
            lambda mark: [{role: "\n".join(_around(mark, gap, tail))}],
        )
    if before and before[0][0] in ("system", "developer") and not placeholders(before[0][1]):
        (first, system), *middle = before
        return Placed(
            system,
            {"user": last, "assistant": f"{{{{ {target} }}}}"},
            lambda mark: [
                {first: "\n".join(_top(mark))},
                *({one: text} for one, text in middle),
                *({"demos": one.strip("{ }")} for one in mark("demos")),
                {role: last},
            ],
        )
    return Placed(
        last,
        _plain(given.fields, target),
        lambda mark: [
            {"system": "\n\n".join(one for name in ASIDE for one in mark(name))},
            *({one: text} for one, text in before),
            {role: mark("instruction")[0]},
        ],
        whole=True,
    )


def _top(mark: Marks) -> list[str]:
    return [*mark("role"), *(mark("body") or mark("instruction"))]


def _around(mark: Marks, gap: int, tail: str) -> list[str]:
    """Demos stand between instruction and fields; where no blank line parts these, before both."""
    demos = [one for placeholder in mark("demos") for one in (placeholder, "")]
    if gap:
        return [*_top(mark), *gap * [""], *demos, tail]
    return [*demos, *_top(mark), tail]


def _cut(text: str) -> tuple[str, int, str] | None:
    """What stands before the paragraph, or else the line, of the first field; the blank lines
    between; and the rest. None when nothing does."""
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if placeholders(line)), 0)
    blank = next((i for i in range(first, 0, -1) if not lines[i - 1].strip()), 0)
    for start in (blank, first):
        head = lines[:start]
        while head and not head[-1].strip():
            head.pop()
        if head:
            return "\n".join(head), start - len(head), "\n".join(lines[start:])
    return None


def _demo(tail: str, fields: Sequence[str], target: str) -> str:
    """One demo: the prompt's end with the answer, where it asks for it; else names and values."""
    bare = len(tail) - sum(len(one) for one in fields)
    if tail.endswith(":") and bare <= LONGEST_ENDING:
        return f"{tail} {{{{ {target} }}}}"
    return _plain(fields, target)


def _plain(fields: Sequence[str], target: str) -> str:
    return "\n".join(f"{one}: {{{{ {one} }}}}" for one in (*fields, target))
