"""What `migrate` prints."""

from pathlib import Path

from promptlathe.cli.hints import command
from promptlathe.cli.tables import Column, table
from promptlathe.cli.terminal import folded, say, short, visible, width
from promptlathe.job.migrating import Advice, Migrated

SAID: dict[Advice, str] = {
    "keep the prompt": "the champion does at least as well there",
    "search again": "the champion loses there: a search for the new model is worth it",
    "not clear": "the rows do not tell whether the champion does as well there",
}


def show_migrated(migrated: Migrated, file: Path, setting: str) -> None:
    """The table of models and prompts, the difference, what to do."""
    sides = [migrated.old, migrated.new, *([migrated.found] if migrated.found else [])]
    shown = (
        Column("model", [short(visible(one.model), 30) for one in sides]),
        Column("prompt", [short(visible(one.prompt), 40) for one in sides]),
        Column("score", ["" if one.score is None else f"{one.score:.3f}" for one in sides], True),
        Column("rows", [f"{one.rows:,}" for one in sides], True),
        Column("$ per 1,000 calls", [_number(one.usd_per_1000) for one in sides], True, needed=3),
        Column("s a call", [_number(one.seconds) for one in sides], True, needed=4),
    )
    say("\n".join(table(shown, width())))
    say()
    said = SAID[migrated.advice]
    if found := migrated.comparison:
        said += f": {found.gain:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f}"
    say(folded("verdict   ", said))
    for note in migrated.notes:
        say(folded("note      ", note))
    if migrated.found is None and migrated.advice != "keep the prompt":
        say(folded("next      ", command("run", file, "--set", setting)))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
