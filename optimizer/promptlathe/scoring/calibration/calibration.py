"""What a calibration found, and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


@dataclass(frozen=True)
class LanguagePart:
    """The labelled answers of one language."""

    answers: int
    agreement: Interval
    kappa: Interval
    ac1: Interval
    error: Interval


@dataclass(frozen=True)
class Calibration:
    """A judge beside people, on the same answers."""

    judge: str
    model: str
    key: str
    """Of the judge's text, what it sees, and its model: another one is another judge."""
    at: str
    """When, in ISO form, UTC."""
    labelled: int
    """Answers that people and the judge have a verdict on."""
    unlabelled: int
    """Answers that only the judge has a verdict on."""
    unread: int
    """Answers on which the judge gave no verdict."""
    people: float | None
    """How often two people agree who labelled the same answer; None where nobody did."""
    levels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    """A line for each label of people, a column for each verdict of the judge."""
    agreement: Interval
    kappa: Interval
    weighted_kappa: Interval | None
    """With quadratic weights, of more than two levels."""
    ac1: Interval
    error: Interval
    """The judge's mean less that of people, in score units."""
    judged_mean: float
    """Of the judge, over all answers."""
    corrected_mean: Interval
    """What people would give on average, over all answers."""
    method: str
    """Of the corrected mean."""
    by_language: Mapping[str, LanguagePart]

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Raises KeyError or TypeError for what is none."""
        given = dict(data)
        for name in ("agreement", "kappa", "ac1", "error", "corrected_mean"):
            given[name] = Interval(**given[name])
        if given["weighted_kappa"] is not None:
            given["weighted_kappa"] = Interval(**given["weighted_kappa"])
        given["levels"] = tuple(given["levels"])
        given["confusion"] = tuple(tuple(line) for line in given["confusion"])
        given["by_language"] = {
            name: LanguagePart(
                part["answers"],
                *(Interval(**part[one]) for one in ("agreement", "kappa", "ac1", "error")),
            )
            for name, part in given["by_language"].items()
        }
        return cls(**given)
