"""The judges of one output, asked in one request to the Decisions API.

Each judge makes the same request and reads its own answer: equal calls are one call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from promptlathe.models.settings import QUESTIONS
from promptlathe.records import Content, Example, Message, Request, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.judging.form import Form
from promptlathe.scoring.judging.scale import Scale
from promptlathe.scoring.judging.verdict import Verdict
from promptlathe.scoring.pictured import pictured, said
from promptlathe.scoring.scorer import Unscored


class Asked(Protocol):
    """One judge, on one row."""

    @property
    def name(self) -> str: ...

    @property
    def samples(self) -> int: ...

    def on(self, example: Example) -> tuple[Form, dict[str, str]]:
        """What it is asked, and what it sees of the row, by heading."""
        ...


class Panel:
    """All of them."""

    def __init__(self, judges: Sequence[Asked]) -> None:
        self._judges = judges

    async def ask(
        self, name: str, example: Example, trace: Trace, ctx: Context, *, repeat: int
    ) -> Verdict | None:
        """The verdict of one judge; None when it is not among the answers. Raises `UnitEnded`."""
        asked = [one for one in self._judges if one.samples > repeat]
        forms = [one.on(example) for one in asked]
        frame = forms[0][0].frame
        rows = [shown.get("row", "") for _, shown in forms]
        shared = {"row": rows[0]} if rows[0] and len(set(rows)) == 1 else {}
        questions = [
            question(one.name, form, {k: v for k, v in shown.items() if k not in shared})
            for one, (form, shown) in zip(asked, forms, strict=True)
        ]
        material = pictured(trace, frame.material(shared, said(trace)))
        scales = [form.scale for form, _ in forms]
        place = [one.name for one in asked].index(name)
        found = await ask_questions(
            ctx, frame.rules, material, questions, scales, step=name, repeat=repeat, only=place
        )
        return found[0]


async def ask_questions(
    ctx: Context,
    rules: str,
    material: Content,
    questions: Sequence[Mapping[str, Any]],
    scales: Sequence[Scale],
    *,
    step: str,
    repeat: int = 0,
    only: int | None = None,
) -> list[Verdict | None]:
    """Ask them in one request: the verdicts in their order, or that of one; None where there is
    none. Raises `UnitEnded`, and `Unscored` for what the model declined to answer."""
    messages = (Message("system", rules), Message("user", material))
    request = Request(messages, ((QUESTIONS, list(questions)),), repeat)
    answers = json.loads((await ctx.call(request, role="judge", step=step)).text)
    places = range(len(questions)) if only is None else (only,)
    return [read(answers[n], scales[n]) if n < len(answers) else None for n in places]


def question(name: str, form: Form, shown: Mapping[str, str]) -> dict[str, Any]:
    """One question, with what its judge alone sees of the row."""
    instructions = form.filled
    if material := form.frame.sections(shown):
        instructions += f"\n\n{material}"
    if form.yes_no:
        return {"type": "predicate", "name": name, "instructions": instructions}
    levels = [
        {"label": level.label, **({"description": level.means} if level.means else {})}
        for level in form.scale.levels
    ]
    return {"type": "score", "name": name, "instructions": instructions, "levels": levels}


def read(answer: Any, scale: Scale) -> Verdict | None:
    """An answer with its probabilities: the expected value. Raises `Unscored` for a refusal."""
    chances: dict[str, float]
    match answer:
        case {"type": "refusal"}:
            raise Unscored("the judge declined to answer")
        case {"type": "predicate", "probability": int() | float() as p} if 0 <= p <= 1:
            chances = dict(zip(scale.labels, (1 - p, p), strict=True))
        case {"type": "score", "probabilities": [*given]}:
            chances = {
                str(one.get("label")): float(one.get("probability") or 0)
                for one in given
                if isinstance(one, dict)
            }
        case _:
            return None
    value = scale.expected(chances)
    if value is None:
        return None
    known = sorted(((p, one) for one, p in chances.items() if one in scale.labels), reverse=True)
    told = ", ".join(f"{one} {p:.2f}" for p, one in known if p >= 0.005)
    return Verdict(value, known[0][1], told)
