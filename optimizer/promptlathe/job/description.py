"""The description on a run's page in MLflow: Markdown; what others wrote is no markup in it."""

import re
from collections.abc import Sequence
from html import escape
from typing import TypeVar

from promptlathe.results import Result, Test
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.search.lathe.effects import Effect

_Found = TypeVar("_Found", Effect, Contrast)
MOST_EFFECTS = 5
_MARKUP = re.compile(r"([\\`*_{}\[\]()#!|~])")


def description(result: Result) -> str:
    """The verdict in words and numbers, what works, what it cost, and what to know."""
    parts = [
        f"{_verdict(result)} {_gain(result.decisive, result.compared_with)}",
        f"Recommended: the **{result.recommended}** prompt: {_plain(result.reason)}.",
    ]
    if result.test_champion:
        parts.append(f"Against the seed: {_gain(result.test, 'seed')}")
    works = [(f"{c.component}: {c.level} over {c.over}", c) for c in _clear(result.found_in_best)]
    parts += _table("What works in the best prompt, all else kept", works)
    average = [(f"{e.component} = {e.level}", e) for e in _clear(result.found_effects)]
    parts += _table("What works on average", average)
    parts += [_cost(result), f"Finished: {_plain(result.finish_reason)}."]
    if result.notes:
        parts.append("\n".join(["#### Notes", "", *(f"- {_plain(one)}" for one in result.notes)]))
    return "\n\n".join(parts)


def _verdict(result: Result) -> str:
    match result.verdict:
        case "better":
            return f"**Better than the {result.compared_with}.**"
        case "worse":
            return f"**Worse than the {result.compared_with}.**"
        case _:
            return f"**No significant gain over the {result.compared_with}.**"


def _gain(test: Test, baseline: str) -> str:
    low, high = test.interval
    return (
        f"{baseline.capitalize()} {test.seed:.3f} → best {test.best:.3f} on {test.examples} "
        f"held-out rows: gain {test.gain:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}."
    )


def _clear(found: Sequence[_Found]) -> list[_Found]:
    return sorted((one for one in found if one.clear), key=lambda one: -abs(one.effect))


def _table(title: str, found: Sequence[tuple[str, Effect | Contrast]]) -> list[str]:
    """The strongest, in points; nothing without any."""
    lines = [
        f"| {_plain(name)} | {one.effect:+.1f} | {one.low:+.1f} to {one.high:+.1f} |"
        for name, one in found[:MOST_EFFECTS]
    ]
    head = f"#### {title}\n\n| | points | 95 % interval |\n|:--|--:|--:|"
    return ["\n".join([head, *lines])] if lines else []


def _cost(result: Result) -> str:
    lines = ["#### What it cost", "", "| for | calls | tokens | USD |", "|:--|--:|--:|--:|"]
    used = {**result.spent.by_role, "in all": result.spent}
    for name, one in used.items() if len(result.spent.by_role) > 1 else [("in all", result.spent)]:
        usd = "?" if one.usd is None else f"{one.usd:.4f}"
        lines.append(f"| {name} | {one.calls:,} | {one.tokens:,} | {usd} |")
    known = f"{result.spent.cached_calls:,} answers were known already"
    lines += ["", f"{result.seconds:.1f} seconds; {known}."]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """As it is read, whatever it holds."""
    return _MARKUP.sub(r"\\\1", escape(" ".join(text.split()), quote=False))
