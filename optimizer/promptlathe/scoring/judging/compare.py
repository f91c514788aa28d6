"""A judge between two answers to the same row: the prompt's, and another one's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import model_validator

from promptlathe.data.dataset import Rows, check_field
from promptlathe.data.values import as_text
from promptlathe.records import Example, Score, Trace
from promptlathe.runtime.seam import CallFailed, Context
from promptlathe.scoring.judging.chat import Chat
from promptlathe.scoring.judging.form import Form
from promptlathe.scoring.judging.frames import FRAMES
from promptlathe.scoring.judging.judge import Asking
from promptlathe.scoring.judging.language import language_of
from promptlathe.scoring.judging.panel import ask_questions, question
from promptlathe.scoring.judging.scale import Level, Scale
from promptlathe.scoring.judging.shown import Shown
from promptlathe.scoring.judging.texts import Language
from promptlathe.scoring.judging.verdict import UNREADABLE, Verdict
from promptlathe.scoring.scorer import Measure, Name, Surroundings, Unscored

RIVALS = ("seed", "champion")
"""Prompts that an answer may be compared with; any other name is a field of the row."""
FIRST, SECOND = "output_1", "output_2"
Both = Callable[[Example, str, str, Context], Awaitable[tuple[Verdict | None, Verdict | None]]]
"""The verdicts on (one, other) and on (other, one): 1 where the first of the two is better."""


class Compare(Asking):
    """Asks the job's judge which of two answers is better, in both orders: 1 better, 0 worse, and
    0.5 for a tie, which a verdict that flips with the order is."""

    keyword = "compare"
    name: Name = "compare"
    against: str = "seed"
    """`seed`, `champion`, or the field of the row that holds the other answer."""

    @model_validator(mode="after")
    def _asked(self) -> Compare:
        if self.rubric is None:
            raise ValueError("a comparison needs a rubric", "add  rubric: what makes one better")
        return self

    @property
    def rival(self) -> str | None:
        """The prompt whose answer is the other one; None where that stands in the row."""
        return self.against if self.against in RIVALS else None

    def shown(self, hidden: frozenset[str] = frozenset()) -> Shown:
        return super().shown(hidden if self.rival else hidden | {self.against})

    def check_rows(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        super().check_rows(rows, where)
        if not self.rival:
            check_field(rows, self.against, where("against"))

    def measure(self, around: Surroundings) -> Measure:
        language = self.language or language_of([self.rubric or ""])
        form = pair_form(self.rubric or "", language)
        shown = self.shown(around.answers)
        together = around.api == "decisions"
        both = self._together(form, shown) if together else self._in_turn(form, shown)

        async def score(example: Example, trace: Trace, ctx: Context) -> Score:
            if trace.picture is not None:
                raise Unscored("pictures are not compared: ask `questions`, or a judge")
            try:
                other = await self._other(example, ctx, around)
            except CallFailed as ended:
                if not ended.failure.of_prompt:
                    raise
                return Score(1.0, None, f"the {self.against} gave no answer")
            parsed = trace.text.strip() or None
            if trace.text.strip() == other.strip():
                return Score(0.5, parsed, f"the same answer as the {self.against}'s")
            first, second = await both(example, trace.text, other, ctx)
            if first is None or second is None:
                raise Unscored(UNREADABLE)
            return Score((first.value + 1 - second.value) / 2, parsed, told(first, second))

        return score

    def fingerprint(self, around: Surroundings) -> Any:
        rival = around.rivals.get(self.rival or "")
        return [*self.asked(around), rival and rival.id]

    async def _other(self, example: Example, ctx: Context, around: Surroundings) -> str:
        """The answer that it is compared with."""
        if self.rival is None:
            return as_text(example.row[self.against])
        if self.rival not in around.rivals:
            raise Unscored(f"there is no {self.rival} to compare with: it takes part in a run only")
        output = await around.rivals[self.rival].output(example, ctx, self.step)
        return Trace(output).text

    def _in_turn(self, form: Form, shown: Shown) -> Both:
        chat = Chat(form)

        async def both(
            e: Example, one: str, other: str, ctx: Context
        ) -> tuple[Verdict | None, Verdict | None]:
            seen = shown.of(e.row)
            pairs = ((one, other), (other, one))
            materials = [form.frame.sections({**seen, FIRST: a, SECOND: b}) for a, b in pairs]
            first = await chat.ask(materials[0], ctx, step=self.name, repeat=0)
            return first, await chat.ask(materials[1], ctx, step=self.name, repeat=0)

        return both

    def _together(self, form: Form, shown: Shown) -> Both:
        async def both(
            e: Example, one: str, other: str, ctx: Context
        ) -> tuple[Verdict | None, Verdict | None]:
            pairs: tuple[Mapping[str, str], ...] = (
                {FIRST: one, SECOND: other},
                {FIRST: other, SECOND: one},
            )
            asked = [question(f"{self.name}_{n}", form, two) for n, two in enumerate(pairs, 1)]
            material = form.frame.sections(shown.of(e.row)) or "-"
            found = await ask_questions(
                ctx, form.frame.rules, material, asked, [form.scale] * 2, step=self.name
            )
            return found[0], found[1]

        return both


def pair_form(rubric: str, language: Language) -> Form:
    """What is asked of two answers: 1 where the first is better."""
    frame = FRAMES[language]
    words = frame.pair
    scale = Scale(
        (
            Level("2", 0.0, words.second),
            Level(words.tie, 0.5, words.neither),
            Level("1", 1.0, words.first),
        )
    )
    return Form(replace(frame, rules=words.rules, levels=words.levels), rubric, scale)


def told(first: Verdict, second: Verdict) -> str:
    """Why, for whoever mends the prompt: of the order in which it did worse."""
    mine, swapped = first.value, 1 - second.value
    if (mine - 0.5) * (swapped - 0.5) < 0:
        head = "a tie: the verdict flips with the order"
    elif mine + swapped == 1:
        head = "a tie"
    else:
        head = "better" if mine + swapped > 1 else "worse"
    why = (first if mine <= swapped else second).rationale
    return f"{head}: {why}" if why else head


def compare(rubric: str, *, against: str = "seed", name: str = "compare", **more: Any) -> Compare:
    """A judge between two answers to the same row, asked in both orders.

    against: whose answer is the other one: `seed`, `champion`, or a field of the row.
    more: `language`, `question`, `context`, `reference`.
    """
    return Compare(rubric=rubric, against=against, name=name, **more)
