"""What `judge` prints."""

from collections import Counter
from collections.abc import Sequence

from promptlathe.cli.display import duration
from promptlathe.cli.terminal import say
from promptlathe.job.calibrating import Calibrated
from promptlathe.scoring.calibration import Calibration, Interval

HEAD = ("", "value", "95 % interval")


def show_calibration(found: Calibrated) -> None:
    """Agreement, confusion, by language, and the corrected mean."""
    known = found.calibration
    say(f"{known.judge} on {known.model}: {_counted(known)}\n")
    _table([HEAD, *_figures(known)])
    say("\nPeople (lines) and the judge (columns):")
    lines = zip(known.levels, known.confusion, strict=True)
    _table([("", *known.levels), *((name, *map(str, line)) for name, line in lines)])
    if len(known.by_language) > 1:
        say()
        _table([("", "answers", "agreement", "kappa", "AC1", "judge − people"), *_languages(known)])
    mean, answers = known.corrected_mean, known.labelled + known.unlabelled
    say(
        f"\nmean score    {known.judged_mean:.3f} by the judge, on {answers} answers; by people it "
        f"would be {mean.value:.3f}, 95 % interval {mean.low:.3f} to {mean.high:.3f} "
        f"({known.method})"
    )
    for why, times in Counter(found.failures.values()).most_common(3):
        say(f"note          no verdict on {times} answers: {why}")
    spent = found.spent
    cost = "cost unknown" if spent.usd is None else f"${spent.usd:.2f}"
    say(
        f"spent         {spent.calls:,} calls, {spent.tokens:,} tokens, {cost}, "
        f"{duration(found.seconds)}; {spent.cached_calls:,} answers were known already"
    )
    say(f"kept          {found.path}: runs with this judge say how far it may be off")


def _counted(known: Calibration) -> str:
    people = (
        ""
        if known.people is None
        else f"; two people agree on {known.people:.0%} of what both labelled"
    )
    return f"{known.labelled} labelled answers, {known.unlabelled} without a label{people}"


def _figures(known: Calibration) -> list[tuple[str, ...]]:
    figures: list[tuple[str, Interval | None]] = [
        ("agreement", known.agreement),
        ("Cohen's kappa", known.kappa),
        ("weighted kappa", known.weighted_kappa),
        ("Gwet's AC1", known.ac1),
        ("judge − people", known.error),
    ]
    return [
        (name, f"{one.value:.3f}", f"{one.low:.3f} to {one.high:.3f}")
        for name, one in figures
        if one is not None
    ]


def _languages(known: Calibration) -> list[tuple[str, ...]]:
    return [
        (
            name,
            str(part.answers),
            _range(part.agreement),
            _range(part.kappa),
            _range(part.ac1),
            _range(part.error),
        )
        for name, part in known.by_language.items()
    ]


def _range(one: Interval) -> str:
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


def _table(rows: Sequence[Sequence[str]]) -> None:
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for name, *values in rows:
        cells = [f"{one:>{width}}" for one, width in zip(values, wide[1:], strict=True)]
        say("  ".join([f"{name:{wide[0]}}", *cells]).rstrip())
