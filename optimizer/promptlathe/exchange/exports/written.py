"""What an export gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """A file's content, and what to know of it."""

    text: str
    notes: tuple[str, ...] = ()
    """What the form does not hold, in words."""
