"""A model that scores: it says which of some levels an output reaches, by a rubric."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from promptlathe.data.dataset import Rows
from promptlathe.records import Example, Json, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.judging.chat import Chat
from promptlathe.scoring.judging.form import Form
from promptlathe.scoring.judging.frames import FRAMES
from promptlathe.scoring.judging.language import language_of, language_of_row
from promptlathe.scoring.judging.panel import Panel
from promptlathe.scoring.judging.scale import MOST_STEPS, Scale
from promptlathe.scoring.judging.shown import Shown
from promptlathe.scoring.judging.texts import (
    BUILT_IN,
    BuiltIn,
    Language,
    check_braces,
    check_levels,
    load_text,
)
from promptlathe.scoring.judging.verdict import Verdict, decided, settled
from promptlathe.scoring.pictured import pictured, said
from promptlathe.scoring.scorer import Measure, Name, Range, Scorer, Surroundings

MOST_SAMPLES = 9
YES_NO = ("no", "yes")
VERSION = 2
"""Of what stands around a rubric, beside its words: part of every fingerprint."""


Ask = Callable[[Example, Trace, Context, int], Awaitable[Verdict | None]]
"""Asks once more; None when the answer cannot be read."""


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Fields = Annotated[
    tuple[str, ...], BeforeValidator(_several, json_schema_input_type=str | list[str])
]


class Asking(Scorer):
    """What every scorer that asks the job's judge is told: by which rubric, and what it sees."""

    shorthand = "rubric"
    rubric: str | None = Field(default=None, min_length=1)
    """What is asked for, in words."""
    language: Language | None = None
    """Of the judge's text; None: that of the row, of a rubric of yours its own."""
    question: Fields = ()
    """The fields of the row that it sees; none: all but the right answers."""
    context: str | None = None
    """The field with the passages that an output has to rest on."""
    reference: str | None = None
    """The field with a right answer, which a judge sees only when it is named here."""

    @field_validator("rubric")
    @classmethod
    def _filled_in_nowhere(cls, rubric: str | None) -> str | None:
        check_braces(rubric or "")
        return rubric

    def may_judge(self, around: Surroundings) -> bool:
        del around
        return True

    def asked(self, around: Surroundings) -> list[Any]:
        """For the fingerprint: its settings, the words around them, and what it may not see."""
        frames = {language: asdict(frame) for language, frame in FRAMES.items()}
        return [*super().fingerprint(around), VERSION, frames, sorted(around.answers)]

    def check_rows(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        self.shown().check(rows, where)

    def shown(self, hidden: frozenset[str] = frozenset()) -> Shown:
        """What it sees of a row, where `hidden` are right answers."""
        return Shown(self.question, self.context, self.reference, hidden)


class Judge(Asking):
    """Asks the job's judge which level an output reaches; levels score evenly from 0 to 1."""

    keyword = "judge"
    name: Name = "judge"
    builtin: BuiltIn | None = None
    """A judge whose text ships, in place of a rubric of yours."""
    levels: tuple[str, ...] = Field(default=YES_NO, min_length=2)
    """From the lowest to the highest."""
    score: tuple[int, int] | None = None
    """In place of levels, whole numbers from the lowest to the highest."""
    samples: int = Field(default=1, ge=1, le=MOST_SAMPLES)
    """How often it is asked; the median counts."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("builtin"), str):
            return {"name": data["builtin"], **data}
        return data

    @field_validator("levels")
    @classmethod
    def _apart(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        check_levels(levels)
        return levels

    @field_validator("score")
    @classmethod
    def _ordered(cls, score: tuple[int, int] | None) -> tuple[int, int] | None:
        if score and not 0 < score[1] - score[0] <= MOST_STEPS:
            raise ValueError(
                f"[{score[0]}, {score[1]}] is no range of scores",
                f"write the lowest and the highest, at most {MOST_STEPS} apart: [1, 5], say",
            )
        return score

    @field_validator("samples")
    @classmethod
    def _odd(cls, samples: int) -> int:
        if samples % 2 == 0:
            raise ValueError(
                f"{samples} samples can be a tie", f"write an odd number, {samples + 1} say"
            )
        return samples

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.rubric is None) == (self.builtin is None):
            raise ValueError(
                "a judge needs a rubric, or the name of a built-in one"
                if self.rubric is None
                else "a judge has a rubric or a built-in text, not both",
                f"write `rubric: …`, or `builtin:` with one of {', '.join(BUILT_IN)}",
            )
        given = self.model_fields_set & {"levels", "score"}
        if self.builtin and given:
            raise ValueError(
                f"the built-in judge {self.builtin} has levels of its own",
                f"remove `{min(given)}`, or edit objectives/judges/{self.builtin}.yaml",
            )
        if len(given) == 2 and self.score:
            raise ValueError("a judge gives levels or a score, not both", "remove one")
        needs = BUILT_IN[self.builtin].needs if self.builtin else None
        if needs and getattr(self, needs) is None:
            raise ValueError(
                f"{self.builtin} needs the field that it compares with",
                f"add  {needs}: FIELD  with a field of your rows",
            )
        return self

    @property
    def ranges(self) -> Range:
        return self._scale.range

    @property
    def unwanted(self) -> bool:
        """A high score is bad."""
        return self.builtin is not None and BUILT_IN[self.builtin].unwanted

    def measure(self, around: Surroundings) -> Measure:
        ask = self._together(around) if around.api == "decisions" else self._alone(around)

        async def score(example: Example, trace: Trace, ctx: Context) -> Score:
            verdicts: list[Verdict] = []
            for repeat in range(self.samples):
                if settled(verdicts, self.samples):
                    break
                one = await ask(example, trace, ctx, repeat)
                verdicts += [one] if one else []
            return decided(verdicts, self.samples, trace)

        return score

    def _alone(self, around: Surroundings) -> Ask:
        """In a chat of its own."""
        ready = Ready(self, around)
        chats = {language: Chat(form) for language, form in ready.forms.items()}

        async def ask(e: Example, trace: Trace, ctx: Context, repeat: int) -> Verdict | None:
            form, shown = ready.on(e)
            material = pictured(trace, form.frame.material(shown, said(trace)))
            return await chats[self.spoken(e)].ask(material, ctx, step=self.name, repeat=repeat)

        return ask

    def _together(self, around: Surroundings) -> Ask:
        """With the other judges of the same output."""
        judges = [one for one in around.judges if isinstance(one, Judge)]
        others = [one for one in judges if one.step == self.step]
        known = any(one.name == self.name for one in others)
        panel = Panel([Ready(one, around) for one in (others if known else [self])])

        async def ask(e: Example, trace: Trace, ctx: Context, repeat: int) -> Verdict | None:
            return await panel.ask(self.name, e, trace, ctx, repeat=repeat)

        return ask

    def fingerprint(self, around: Surroundings) -> Any:
        texts = load_text(self.builtin, around.folder, around.within) if self.builtin else None
        return [*self.asked(around), texts and texts.model_dump(mode="json")]

    def sees(self, columns: Sequence[str], hidden: frozenset[str]) -> set[str]:
        """Which of the rows' fields it is shown."""
        shown = self.shown(hidden)
        named = {name for name in (self.context, self.reference) if name is not None}
        return named | shown.fields(dict.fromkeys(columns)).keys()

    def entry(self) -> Any:
        if self.builtin is None or self.name != self.builtin:
            return super().entry()
        given = super().entry()["judge"]
        return {"judge": {key: value for key, value in given.items() if key != "name"}}

    def forms(self, around: Surroundings) -> dict[Language, Form]:
        """What is asked, by language. Raises `InputError` for a text that cannot be used."""
        if self.builtin is None:
            plain = self._scale.labels == YES_NO
            return {
                language: Form(frame, self.rubric or "", self._scale, plain)
                for language, frame in FRAMES.items()
            }
        texts = load_text(self.builtin, around.folder, around.within).texts
        return {
            language: Form(FRAMES[language], text.rubric, text.scale)
            for language, text in texts.items()
        }

    def scale_of(self, around: Surroundings) -> Scale:
        """Its levels: of the two languages, those of the first."""
        return self.forms(around)[self.language or "en"].scale

    def spoken(self, example: Example) -> Language:
        """The language that it is asked in."""
        if self.language:
            return self.language
        if self.rubric is not None:
            return language_of([self.rubric, *self.levels])
        return self.language_of(example.row)

    def language_of(self, row: Mapping[str, Json]) -> Language:
        """Of a row."""
        return language_of_row(row, self.shown().fields(row))

    @property
    def _scale(self) -> Scale:
        return Scale.numbers(*self.score) if self.score else Scale.even(self.levels)


class Ready:
    """A judge with its texts, made once for an objective."""

    def __init__(self, judge: Judge, around: Surroundings) -> None:
        self.name, self.samples = judge.name, judge.samples
        self.forms = judge.forms(around)
        self._judge, self._shown = judge, judge.shown(around.answers)

    def on(self, example: Example) -> tuple[Form, dict[str, str]]:
        """What it is asked, and what it sees of the row, by heading."""
        return self.forms[self._judge.spoken(example)], self._shown.of(example.row)


def judge(
    rubric: str | None = None,
    *,
    builtin: BuiltIn | None = None,
    levels: tuple[str, ...] | None = None,
    score: tuple[int, int] | None = None,
    name: str | None = None,
    **more: Any,
) -> Judge:
    """A model that scores.

    rubric: what is asked for, in words; or `builtin`, the name of a judge whose text ships.
    levels: from the lowest to the highest, no and yes by default; or `score`, (1, 5) say.
    more: `language`, `question`, `context`, `reference`, `samples`.
    """
    given: dict[str, Any] = {
        "rubric": rubric,
        "builtin": builtin,
        "levels": levels,
        "score": score,
        "name": name,
        **more,
    }
    return Judge(**{key: value for key, value in given.items() if value is not None})
