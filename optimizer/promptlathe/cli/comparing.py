"""What `compare` prints."""

from collections.abc import Sequence

from promptlathe.cli.tables import Column, table
from promptlathe.cli.terminal import folded, say, short, visible, width
from promptlathe.errors import InputError
from promptlathe.results import Result
from promptlathe.results.compared import Compared


def check_distinct(results: Sequence[Result], named: Sequence[str]) -> None:
    """Raises InputError for one run alone, or the same one under two names."""
    if len(results) < 2:
        raise InputError("one run alone cannot be compared", "RUN", "name two runs or more")
    met: dict[str, str] = {}
    for result, name in zip(results, named, strict=True):
        if result.run in met:
            raise InputError(
                f"{met[result.run]} and {name} are the same run {result.run}"
                if met[result.run] != name
                else f"the run {name} is named twice",
                "RUN",
                "name different runs",
            )
        met[result.run] = name


def show_compared(results: Sequence[Result], compared: Sequence[Compared]) -> None:
    """The runs, then each against the first."""
    facts = [one.facts for one in results]
    shown = (
        Column("run", [one.run for one in results]),
        Column("ended", [f"{one.ended.astimezone():%Y-%m-%d %H:%M}" for one in facts], needed=1),
        Column("job", [short(visible(one.name), 24) for one in facts], needed=4),
        Column("model", [short(visible(one.model), 24) for one in facts], needed=5),
        Column("seed", [f"{one.test.seed:.3f}" for one in results], right=True),
        Column("best", [f"{one.test.best:.3f}" for one in results], right=True),
        Column("rows", [f"{one.test.examples:,}" for one in results], right=True),
        Column("verdict", [one.verdict for one in results], needed=3),
    )
    say("\n".join(table(shown, width())))
    say("Each on its own held-out rows.")
    for one in compared:
        say()
        for line in _lines(one):
            say(line)
    if len(compared) > 1:
        say()
        say(
            folded(
                "note  ",
                "who picks the best of several by the same rows picks some luck, too: decide on "
                "fresh rows",
            )
        )


def _lines(one: Compared) -> list[str]:
    found = one.comparison
    lines = [folded("", f"{one.first} → {one.second}: {one.words}.")]
    if found:
        lines.append(
            folded(
                "  ",
                f"best {found.baseline:.3f} → best {found.challenger:.3f}: {found.gain:+.3f}, "
                f"95 % interval {found.low:+.3f} to {found.high:+.3f}, on {found.examples} rows "
                "of both",
            )
        )
    notes = [*one.notes, *(found.notes if found else ())]
    return [*lines, *(folded("  note  ", note) for note in notes)]
