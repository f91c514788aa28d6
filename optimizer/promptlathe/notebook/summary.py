"""A result as a text of one screen."""

import textwrap

from promptlathe.results import Result, Test
from promptlathe.results.rows import cut
from promptlathe.visible import visible

COLUMNS = 88
SHOWN, EFFECTS, NOTES = 4, 3, 4
"""Lines of a message, effects, and notes."""
LONGEST = 400
"""Characters of any of them."""


def headline(result: Result) -> str:
    """The verdict in a sentence."""
    rival = result.compared_with
    match result.verdict:
        case "better":
            return f"Better: the best prompt beats the {rival} prompt on held-out rows."
        case "worse":
            return f"Worse: the best prompt of the search loses to the {rival} on held-out rows."
        case _ if result.best.candidate == result.seed.candidate and rival == "seed":
            return "No significant gain: the search found nothing better than the seed prompt."
        case _:
            return f"No significant gain: a tie with the {rival} on held-out rows."


def summary(result: Result) -> str:
    """Lines of at most COLUMNS characters; nothing in it is obeyed by a terminal."""
    lines = [headline(result), _test("seed", result.test)]
    if result.test_champion:
        lines.append(_test("champion", result.test_champion))
    lines += ["", *_recommended(result)]
    if works := works_lines(result):
        lines += ["", "What works in the best prompt (points, 95 % interval):", *works]
    lines += ["", f"spent    {spent(result)}", f"answers  {result.answers}"]
    lines += [f"note     {note}" for note in result.notes[:NOTES]]
    if (more := len(result.notes) - NOTES) > 0:
        lines.append(f"note     … and {more} more in result.notes")
    lines += ["", "result.best.messages  result.frames.rows  result.plot_effects()"]
    return "\n".join(part for line in lines for part in _wrapped(cut(visible(line), LONGEST)))


def spent(result: Result) -> str:
    """Calls, tokens, USD and time."""
    used = result.spent
    cost = "cost unknown" if used.usd is None else f"${used.usd:.2f}"
    known = f", {used.cached_calls:,} answers known already" if used.cached_calls else ""
    return f"{used.calls:,} calls, {used.tokens:,} tokens, {cost}, {result.seconds:.0f} s{known}"


def works_lines(result: Result) -> list[str]:
    """The strongest clear contrasts of the best prompt, of each component one."""
    clear = sorted((c for c in result.found_in_best if c.clear), key=lambda c: -abs(c.effect))
    strongest = {c.component: c for c in reversed(clear)}
    shown = sorted(strongest.values(), key=lambda c: -abs(c.effect))[:EFFECTS]
    return [
        f"  {c.effect:+.1f} ({c.low:+.1f} to {c.high:+.1f})  {c.component}: {c.level} over {c.over}"
        for c in shown
    ]


def _test(rival: str, test: Test) -> str:
    low, high = test.interval
    return (
        f"  {rival} {test.seed:.3f} → best {test.best:.3f}: gain {test.gain:+.3f}, 95 % interval "
        f"{low:+.3f} to {high:+.3f}, on {test.examples} rows"
    )


def _recommended(result: Result) -> list[str]:
    chosen = result.chosen
    levels = ", ".join(f"{name}={value}" for name, value in chosen.levels.items())
    lines = [f"Recommended: the {result.recommended} prompt ({levels or 'no levels'})"]
    if result.recommended != "best":
        lines.append(f"  since {result.reason}")
    for name, prompt in chosen.prompts.items():
        for message in prompt.messages:
            step = f"{name}, " if len(chosen.prompts) > 1 else ""
            text = message.text.splitlines()
            lines.append(f"  [{step}{message.role}]")
            lines += [f"    {line[: COLUMNS - 5]}" for line in text[:SHOWN]]
            if (more := len(text) - SHOWN) > 0:
                lines.append(f"    … {more} more lines")
    return lines


def _wrapped(line: str) -> list[str]:
    lead = len(line) - len(line.lstrip())
    indent = " " * (9 if line[:9].strip() in ("spent", "answers", "note") else lead + 2)
    return textwrap.wrap(
        line,
        COLUMNS,
        subsequent_indent=indent,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    ) or [""]
