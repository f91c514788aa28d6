"""The built-in judges: what each is for, and its text in English and French.

The texts are files, objectives/judges/NAME.yaml, which `promptlathe init` copies and which may be
edited: the nearest one above the objective's file goes before the one that ships.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from promptlathe import documents
from promptlathe.documents import Within
from promptlathe.scoring.judging.scale import Scale
from promptlathe.scoring.reading.labels import alike
from promptlathe.space.template import not_placeholder, placeholders
from promptlathe.starter import starter

FOLDER = Path("objectives") / "judges"
Language = Literal["en", "fr"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
BuiltIn = Literal[
    "groundedness",
    "relevance",
    "completeness",
    "coherence",
    "instruction_following",
    "topic_drift",
    "tone",
    "harmful",
    "bias",
    "hallucination",
]


@dataclass(frozen=True)
class About:
    """What is fixed of a built-in judge, whatever its text says."""

    needs: Literal["context", "reference"] | None = None
    """The field that has to be named for it."""
    unwanted: bool = False
    """A high score is bad: it says how much of something unwanted there is."""


BUILT_IN: Mapping[BuiltIn, About] = {
    "groundedness": About(needs="context"),
    "relevance": About(),
    "completeness": About(),
    "coherence": About(),
    "instruction_following": About(),
    "topic_drift": About(unwanted=True),
    "tone": About(),
    "harmful": About(unwanted=True),
    "bias": About(unwanted=True),
    "hallucination": About(needs="reference", unwanted=True),
}


class JudgeText(documents.Model):
    """What a judge is asked, in one language."""

    rubric: str = Field(min_length=1)
    levels: dict[str, str] = Field(min_length=2)
    """From the lowest to the highest score, each with when it is reached."""

    @field_validator("rubric")
    @classmethod
    def _filled_in_nowhere(cls, rubric: str) -> str:
        check_braces(rubric)
        return rubric

    @field_validator("levels")
    @classmethod
    def _apart(cls, levels: dict[str, str]) -> dict[str, str]:
        check_levels(tuple(levels))
        for means in levels.values():
            check_braces(means)
        return levels

    @property
    def scale(self) -> Scale:
        return Scale.even(tuple(self.levels), self.levels)


class JudgeFile(documents.Model):
    """The text of a built-in judge, in one language or in two."""

    en: JudgeText | None = None
    fr: JudgeText | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        sizes = {len(text.levels) for text in (self.en, self.fr) if text}
        if not sizes:
            raise ValueError("the judge has no text", "write one under `en:` or under `fr:`")
        if len(sizes) > 1:
            raise ValueError(
                "the two languages have different numbers of levels", "write as many in each"
            )
        return self

    @property
    def texts(self) -> dict[Language, JudgeText]:
        """For both languages; where one is missing, the other stands for it."""
        one = self.en or self.fr
        assert one is not None
        return {"en": self.en or one, "fr": self.fr or one}


def load_text(name: BuiltIn, folder: Path, within: Within = None) -> JudgeFile:
    """The text of a built-in judge for an objective in `folder`.

    Raises `InputError`, with file and line, for a file that cannot be used.
    """
    file = FOLDER / f"{name}.yaml"
    home = folder.absolute()
    own = (base / file for base in (home, *home.parents) if _inside(base, within))
    path = next((one for one in own if documents.is_file(one)), starter() / file)
    return documents.parse(JudgeFile, documents.load(path))


def _inside(base: Path, within: Within) -> bool:
    return within is None or any(base.resolve().is_relative_to(root) for root in within)


def check_levels(levels: tuple[str, ...]) -> None:
    """Raises ValueError for levels that a reader could not tell apart."""
    same = len(set(levels)) < len(levels) or alike(levels)
    if same or not all(level.strip() for level in levels):
        raise ValueError("two levels are the same, or one is empty", "name each differently")
    for level in levels:
        check_braces(level)


def check_braces(text: str) -> None:
    """Raises ValueError: nothing is filled in, and the judge would see it as it stands."""
    names = placeholders(text)
    if found := not_placeholder(text) or (names and f"{{{{ {names[0]} }}}}"):
        raise ValueError(
            f"{found} is not filled in: the judge sees the row and the output beside the rubric",
            r"name the field without braces; for braces that it shall see write \{{ … }}",
        )
