"""What the policy `lathe` is told beforehand: its settings, and what earlier runs knew."""

from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.records import Value


@dataclass(frozen=True)
class Settings:
    """When the search may end by itself, what a call is worth, and what an ablation leaves out."""

    margin: float = 0.01
    """A prompt must be better by more than this to be worth searching for; score units."""
    doubt: float = 0.05
    """The search ends when the chance of such a prompt is lower; 0: never."""
    per_token: bool = False
    """Tokens are paid for, not calls."""
    repeats: bool = True
    """Cells may be asked again; recorded answers cannot."""
    difficulty: bool = True
    """Examples differ in difficulty."""
    effects: bool = True
    """Candidates share the effects of their levels."""
    choose_examples: bool = True
    """False: every candidate meets the examples in the same order."""
    knowledge: bool = True
    """False: the best candidate of a draw is bought (Thompson sampling)."""


@dataclass(frozen=True)
class Earlier:
    """An outcome of an earlier run of the same objective."""

    prompt: str
    """The candidate's id."""
    levels: Mapping[str, Value]
    example: str
    """The example's id."""
    value: float
    model: str = ""
    """Which other model gave it; empty: this run's."""
    made: bool = True
    """The space makes this very prompt of these levels."""

    @property
    def known(self) -> bool:
        """It is a cell of this run: what asking would give."""
        return self.made and not self.model
