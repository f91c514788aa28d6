"""How far verdicts of judges may be off, and what is said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptlathe.documents.wording import choices
from promptlathe.scoring.calibration import Calibration

WHY = {
    "changed": ", since the text or the model is not what was calibrated",
    "not calibrated": "",
}
"""By state, what is said beside it."""


@dataclass(frozen=True)
class JudgeReport:
    """How far a judge's verdict may be off, as far as it is known."""

    name: str
    state: Literal["calibrated", "changed", "not calibrated"]
    """`changed`: its text or its model is not what was calibrated, which counts as nothing."""
    calibration: Calibration | None = None
    weight: float = 0.0
    """Of its score in the goal, without its sign."""

    @property
    def gain_off(self) -> float | None:
        """By which a gain may be off, either way, if the judge's error on each of the two prompts
        lies in the interval of its error; None where nothing is known."""
        return self.weight * self.calibration.error.width if self.calibration else None

    def words(self, known: Calibration, gain: float | None) -> str:
        """For a reader of the result, whose gain this is."""
        agrees, error = known.agreement, known.error
        said = (
            f"the judge {self.name} agrees with people on {agrees.value:.0%} of {known.labelled} "
            f"answers ({agrees.low:.0%} to {agrees.high:.0%}, kappa {known.kappa.value:.2f}); its "
            f"mean is off by {error.value:+.3f} ({error.low:+.3f} to {error.high:+.3f})"
        )
        if not self.gain_off:
            return said
        said += f", so a gain by its scores may be off by {self.gain_off:.3f} either way"
        small = gain is not None and 0 < abs(gain) <= self.gain_off
        return f"{said}: the gain of {gain:+.3f} is not beyond that" if small else said

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "name": self.name,
            "state": self.state,
            "gain_off": self.gain_off,
            "calibration": self.calibration.to_dict() if self.calibration else None,
        }


def notes_of(reports: Sequence[JudgeReport], gain: float | None = None) -> list[str]:
    """What a reader of the result, whose gain this is, should know of its judges."""
    said = [one.words(one.calibration, gain) for one in reports if one.calibration]
    for state, why in WHY.items():
        if names := [one.name for one in reports if one.state == state]:
            many = len(names) > 1
            said.append(
                f"the {'judges' if many else 'judge'} {choices(names, 'and')} "
                f"{'are' if many else 'is'} not calibrated{why}: how far "
                f"{'their verdicts' if many else 'its verdict'} may be off is not known "
                "(promptlathe judge FILE LABELS)"
            )
    return said
