"""Lanes: which model answers which role and step, and how many calls may be at it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from promptlathe.documents import Within
from promptlathe.models.images import Pictures, embed
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Call, Request, Role
from promptlathe.runtime.pacing import QUIET


@dataclass(frozen=True)
class Lane:
    """A model with slots of its own."""

    settings: ModelSettings
    slots: int
    pool: str = ""
    """Lanes of one pool share its slots: those of the same service. Empty: the lane's own."""
    quiet: float = QUIET
    """Seconds without any answer after which it is told."""


@dataclass(frozen=True)
class Lanes:
    """By name: a role, or `role/step` for a step that has a model of its own."""

    by_name: Mapping[str, Lane]
    folder: Path = Path()
    """What the paths of pictures in messages are relative to."""
    within: Within = None
    """The folders that they may not lead out of."""
    pictures: Pictures | None = None
    """Those that models drew."""
    labels: tuple[str, ...] = ()
    """What the output may say: their chances are asked for with the calls of the step that makes
    it."""
    output: str = ""
    """That step."""

    def name_of(self, role: Role, step: str) -> str:
        """The lane that a call takes. Raises KeyError for a role that has none."""
        own = f"{role}/{step}"
        if own in self.by_name:
            return own
        if role in self.by_name:
            return role
        raise KeyError(role)

    def settings(self, role: Role, step: str) -> ModelSettings:
        """Of the model that answers."""
        return self.by_name[self.name_of(role, step)].settings

    def call(self, request: Request, *, role: Role, step: str, repeat: int) -> Call:
        """What is sent for a request; `repeat` is that of the cell that asks.

        Raises InputError for a picture that cannot be read.
        """
        messages = request.messages
        if any(message.images for message in messages):
            messages = embed(messages, self.folder, self.within, self.pictures)
        call = self.settings(role, step).call(
            messages,
            request.parameters,
            repeat=repeat + REPEATS * request.repeat,
            role=role,
            step=step,
        )
        labels = self.labels if role == "task" and step == self.output else ()
        if request.shown or labels:
            return replace(call, shown=request.shown, labels=labels)
        return call


REPEATS = 1000
"""Repeats of a cell below which a target's own repeats of a request stay apart from them."""
