"""What `check --headroom` prints."""

from collections.abc import Iterator
from textwrap import fill

from promptlathe.cli.display import duration
from promptlathe.cli.terminal import say
from promptlathe.decide.headroom import ALPHA, Headroom, Verdict
from promptlathe.job.headroom import Seen

SAID: dict[Verdict, str] = {
    "headroom": "seen: prompts of this space differ, and the best are above the seed",
    "spread": "prompts of this space differ; whether the best are above the seed is not clear yet",
    "spread, but not above the seed": "prompts of this space differ, but the seed is among the "
    "best: a search would probably find nothing that the decision can show",
    "no headroom seen": "no headroom seen: a search would probably find nothing",
    "cannot tell": "cannot tell",
}
LEVEL = 30
"""Characters of a level."""
MOST = 6
"""Components that are shown."""
WIDTH = 96


def show_headroom(seen: Seen) -> None:
    """The verdict, the spread, what is above the seed, what is seen of components, the cost."""
    spent = seen.spent
    cost = "cost unknown" if spent.usd is None else f"${spent.usd:.2f}"
    answers = spent.calls + spent.cached_calls
    rows = [
        ("headroom", _verdict(seen.headroom, answers)),
        *(_figures(seen.headroom, seen.test) if seen.headroom else ()),
        (
            "spent",
            f"{spent.calls:,} calls, {spent.tokens:,} tokens, {cost}, {duration(seen.seconds)}; "
            f"{spent.cached_calls:,} answers were known already",
        ),
        *(("note", note) for note in seen.notes),
    ]
    for name, text in rows:
        say(fill(f"{name:13}{text}", WIDTH, subsequent_indent=" " * 13))


def _verdict(found: Headroom | None, answers: int) -> str:
    if found is None or found.verdict == "cannot tell":
        return f"cannot tell with {answers:,} calls"
    return SAID[found.verdict]


def _figures(found: Headroom, test: int) -> Iterator[tuple[str, str]]:
    yield (
        "spread",
        f"{found.spread:.1f} points between prompts (standard deviation, 95 % interval "
        f"{found.spread_low:.1f} to {found.spread_high:.1f}); if nothing mattered, so much would "
        f"be seen with probability {found.p:.2g}",
    )
    yield (
        "above seed",
        f"the best prompts of the space: {found.reach:+.1f} points (95 % interval "
        f"{found.reach_low:+.1f} to {found.reach_high:+.1f}); a decision on {test} rows can show "
        f"about {found.worth:.1f} or more, and the chance that there is so much is "
        f"{found.chance:.0%}",
    )
    for one in found.components[:MOST]:
        clear = "" if one.p < ALPHA else ", not clear"
        yield (
            "component",
            f"{one.component}: {_short(one.best)} {one.difference:.1f} points above "
            f"{_short(one.worst)} (p = {one.p:.2g}{clear})",
        )
    yield (
        "asked",
        f"{found.prompts} prompts on the same {found.rows} rows of select; test is unseen",
    )


def _short(level: str) -> str:
    return level if len(level) <= LEVEL else f"{level[: LEVEL - 1]}…"
