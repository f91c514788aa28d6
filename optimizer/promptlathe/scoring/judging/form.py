"""What a judge is asked in one language: the frame, the rubric and the levels."""

from __future__ import annotations

from dataclasses import dataclass

from promptlathe.scoring.judging.frames import Frame
from promptlathe.scoring.judging.scale import Level, Scale
from promptlathe.space.template import fill_declared

LISTED = 11
"""Levels that are named one by one."""


@dataclass(frozen=True)
class Form:
    """One judge, in one language."""

    frame: Frame
    rubric: str
    scale: Scale
    yes_no: bool = False
    """The levels are no and yes, and nothing more is said of them."""

    @property
    def instructions(self) -> str:
        """For a model that answers in a chat."""
        frame = self.frame
        return (
            f"{frame.rules}\n\n# {frame.rubric}\n{self.filled}\n\n# {frame.levels}\n{self._levels}"
            f"\n\n# {frame.answer}\n{frame.verdict.format(listed=self._listed)}"
        )

    @property
    def filled(self) -> str:
        """The rubric; escaped braces are what they stand for."""
        return fill_declared(self.rubric, {}).strip()

    @property
    def _levels(self) -> str:
        return "\n".join(f"- {_line(level)}" for level in self._few) or self._listed

    @property
    def _listed(self) -> str:
        if self._few:
            return ", ".join(self.scale.labels)
        return f"{self.scale.labels[0]}, {self.scale.labels[1]}, …, {self.scale.labels[-1]}"

    @property
    def _few(self) -> tuple[Level, ...]:
        """All levels; none when they are too many to be named."""
        return self.scale.levels if len(self.scale.levels) <= LISTED else ()


def _line(level: Level) -> str:
    means = fill_declared(level.means, {}).strip()
    return f"{level.label}: {means}" if means else level.label
