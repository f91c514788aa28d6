"""From verdicts beside labels to a calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from promptlathe import clock
from promptlathe.scoring.calibration.agreement import Agreement, agreement_of, error_of
from promptlathe.scoring.calibration.calibration import Calibration, Interval, LanguagePart
from promptlathe.scoring.calibration.corrected import corrected_mean
from promptlathe.scoring.calibration.labels import Labelled, Labels
from promptlathe.scoring.judging.form import LISTED
from promptlathe.scoring.judging.scale import Level, Scale


def measure(
    labels: Labels,
    scores: Mapping[str, float],
    languages: Mapping[str, str],
    scale: Scale,
    *,
    judge: str,
    model: str,
    key: str,
) -> Calibration:
    """scores: of the judge, by answer; those that are missing were not read. languages: by answer.

    At least one answer must have both.
    """
    both = [one for one in labels.answers if one.value is not None and one.id in scores]
    more = [scores[o.id] for o in labels.answers if o.value is None and o.id in scores]
    levels = _used(scale, both, scores)
    whole = _agreement(both, scores, levels)
    people = [one.value for one in both if one.value is not None]
    judged = [scores[one.id] for one in both]
    mean, method = corrected_mean(people, judged, more, scale.range, _step(levels))
    by_language: dict[str, list[Labelled]] = {}
    for one in both:
        by_language.setdefault(languages[one.id], []).append(one)
    return Calibration(
        judge,
        model,
        key,
        clock.now().isoformat(timespec="seconds"),
        len(both),
        len(more),
        sum(one.id not in scores for one in labels.answers),
        labels.people,
        tuple(level.label for level in levels),
        tuple(tuple(int(n) for n in line) for line in _counts(both, scores, levels)),
        whole.agreement,
        whole.kappa,
        whole.weighted_kappa,
        whole.ac1,
        _error(both, scores, levels),
        float(np.mean([*judged, *more])),
        mean,
        method,
        {name: _part(answers, scores, levels) for name, answers in sorted(by_language.items())},
    )


def _part(
    answers: Sequence[Labelled], scores: Mapping[str, float], levels: Sequence[Level]
) -> LanguagePart:
    found, error = _agreement(answers, scores, levels), _error(answers, scores, levels)
    return LanguagePart(len(answers), found.agreement, found.kappa, found.ac1, error)


def _error(
    answers: Sequence[Labelled], scores: Mapping[str, float], levels: Sequence[Level]
) -> Interval:
    people = [one.value for one in answers if one.value is not None]
    return error_of(people, [scores[one.id] for one in answers], _step(levels))


def _step(levels: Sequence[Level]) -> float:
    """Between two levels, on average."""
    return (levels[-1].value - levels[0].value) / (len(levels) - 1)


def _agreement(
    answers: Sequence[Labelled], scores: Mapping[str, float], levels: Sequence[Level]
) -> Agreement:
    return agreement_of(_counts(answers, scores, levels), [level.value for level in levels])


def _used(
    scale: Scale, answers: Sequence[Labelled], scores: Mapping[str, float]
) -> tuple[Level, ...]:
    """All levels; of many, those that somebody used."""
    if len(scale.levels) <= LISTED:
        return scale.levels
    values = [level.value for level in scale.levels]
    used = {_nearest(value, values) for one in answers for value in (one.value, scores[one.id])}
    kept = tuple(level for place, level in enumerate(scale.levels) if place in used)
    return kept if len(kept) > 1 else scale.levels[:2]


def _counts(
    answers: Sequence[Labelled], scores: Mapping[str, float], levels: Sequence[Level]
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    values = [level.value for level in levels]
    counts = np.zeros((len(levels), len(levels)), np.int64)
    for one in answers:
        counts[_nearest(one.value, values), _nearest(scores[one.id], values)] += 1
    return counts


def _nearest(value: float | None, values: Sequence[float]) -> int:
    """The place of the level that a score is nearest to, the lower of two."""
    assert value is not None
    return min(range(len(values)), key=lambda place: abs(values[place] - value))
