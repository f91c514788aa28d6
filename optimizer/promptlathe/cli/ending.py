"""What `run` ends with, and `show` shows: what to read first stands last."""

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from promptlathe.cli.diff import diff_lines, draw
from promptlathe.cli.display import duration
from promptlathe.cli.hints import command
from promptlathe.cli.printing import effect_lines, in_best_lines, levels_line, operator_lines
from promptlathe.cli.rows import changed_lines, mistake_lines
from promptlathe.cli.steps import step_lines
from promptlathe.cli.terminal import folded, say, width
from promptlathe.command_line import shown_path
from promptlathe.job.job import STATE
from promptlathe.job.reports import report_path
from promptlathe.records import Prompt
from promptlathe.results import Finalist, Result, Test
from promptlathe.space.tools import PARAMETER as TOOLS
from promptlathe.space.tools import shown_tools

PROMPT_LINES = 24
"""Lines of a prompt that are shown beside other things, as a terminal of COLUMNS breaks them."""
COLUMNS = 80


def show_result(result: Result, workspace: Path) -> None:
    """The prompt, what it got wrong, what works, what it cost; at last the verdict."""
    _show_chosen(result, workspace)
    show_change(result, workspace)
    for lines in (
        mistake_lines(result),
        changed_lines(result),
        step_lines(result.steps),
        in_best_lines(result.found_in_best, result.recommended),
        effect_lines(result.found_effects),
        operator_lines(result.operators),
        _role_lines(result),
    ):
        if lines:
            head, *others = lines
            say("\n".join(("", folded("", head), *others)))
    say()
    for note in result.notes:
        say(folded("note      ", note))
    if result.facts.embedded:
        say("model     the embedded pocket model: its scores say nothing about an LLM's")
    say(folded("answers   ", str(result.answers)))
    say(folded("finished  ", f"{result.finish_reason}; {len(result.standings)} candidates tried"))
    say(folded("spent     ", _spent(result)))
    say()
    for line in verdict_lines(result):
        say(line)


def show_record(told: Result | None, result: Result, workspace: Path) -> None:
    """What MLflow made of the result, and where to look at it.

    told: as it was shown before; None when nothing was.
    """
    for note in result.notes[len(told.notes) :] if told else ():
        say(folded("note      ", note))
    if result.run_id:
        say(folded("MLflow    ", f"run {result.run_id}{_promotion(result)}"))
    page = report_path(workspace / STATE, result.run)
    if page.exists():
        say(folded("report    ", shown_path(page)))
    hints = [command("show", result.run, "--prompt", workspace=workspace)]
    hints += [] if page.exists() else [command("report", result.run, workspace=workspace)]
    hints += [command("ui", workspace=workspace)] if result.run_id else []
    say("\nNext:  " + "\n       ".join(hints))


def verdict_lines(result: Result) -> list[str]:
    """The verdict, by how much, and what to use."""
    lines = [folded("", headline(result)), _test_line("seed", "best", result.test)]
    if result.test_champion:
        lines.append(_test_line("champion", "best", result.test_champion))
    if not (result.verdict == "better" and result.recommended == "best"):
        use = f"Recommended: the {result.recommended} prompt, since {result.reason}."
        lines.append(folded("", use))
    return lines


def headline(result: Result) -> str:
    """The verdict in a sentence."""
    rival = result.compared_with
    same = result.best.candidate == result.seed.candidate
    match result.verdict:
        case "better":
            return f"Better: the best prompt beats the {rival} prompt on held-out rows."
        case "worse":
            return f"Worse: the best prompt of the search loses to the {rival} on held-out rows."
        case _ if same and rival == "seed":
            return "No significant gain: the search found nothing better than the seed prompt."
        case _:
            return f"No significant gain: a tie with the {rival} on held-out rows."


def _test_line(first: str, second: str, test: Test) -> str:
    low, high = test.interval
    return folded(
        "  ",
        f"{first} {test.seed:.3f} → {second} {test.best:.3f}: gain {test.gain:+.3f}, "
        f"95 % interval {low:+.3f} to {high:+.3f}, on {test.examples} held-out rows",
    )


def _show_chosen(result: Result, workspace: Path) -> None:
    chosen = result.chosen
    plural = "s" if len(chosen.prompts) > 1 else ""
    head = f"The recommended prompt{plural}, {result.recommended} ({_levels(chosen)}):"
    say("\n" + folded("", head))
    lines = prompt_lines(chosen)
    most = fitting(map(len, lines))
    for line in lines[:most]:
        say(line)
    if left := len(lines[most:]):
        whole = command("show", result.run, "--prompt", workspace=workspace)
        say(folded("", f"… and {left} more lines: {whole}"))


def show_change(result: Result, workspace: Path | None = None) -> None:
    """Word by word, from seed to best: whole, or in short with a hint where it stands whole."""
    old, new = ("\n".join(prompt_lines(side)).strip("\n") for side in (result.seed, result.best))
    if old == new:
        return
    lines = diff_lines(old, new)
    say("\nFrom the seed prompt to the best:\n")
    most = fitting(sum(len(text) for _, text in line) for line in lines) if workspace else None
    for line in lines[:most]:
        draw(line)
    if workspace and (left := len(lines[most:])):
        whole = command("show", result.run, "--diff", workspace=workspace)
        say(folded("", f"… and {left} more lines: {whole}"))


def fitting(lengths: Iterable[int]) -> int:
    """How many lines of these lengths are shown beside other things: the first at least."""
    columns = width() or COLUMNS
    rows = list(accumulate(max(1, -(-length // columns)) for length in lengths))
    return max(1, sum(one <= PROMPT_LINES for one in rows))


def prompt_lines(side: Finalist) -> list[str]:
    """All of a prompt, or of several."""
    lines: list[str] = []
    for name, prompt in side.prompts.items():
        lines += ["", f"== {name} =="] if len(side.prompts) > 1 else []
        lines += _one_prompt(prompt)
    return lines


def _one_prompt(prompt: Prompt) -> list[str]:
    lines: list[str] = []
    for message in prompt.messages:
        lines += ["", f"[{message.role}]", *message.text.splitlines()]
    if tools := shown_tools(prompt):
        lines += ["", "[tools]", *tools.splitlines()]
    if parameters := tuple(one for one in prompt.parameters if one[0] != TOOLS):
        lines += ["", f"[parameters] {levels_line(parameters)}"]
    for filled, rule in prompt.fills:
        told = tuple((key, value) for key, value in rule.items() if value is not None)
        lines += ["", f"[{filled}, filled in for each row] {levels_line(told)}"]
    return lines


def _levels(side: Finalist) -> str:
    return levels_line(side.levels.items())


def _role_lines(result: Result) -> list[str]:
    """What it cost by role, where several roles paid."""
    used = [(role, usage) for role, usage in result.spent.by_role.items() if usage.calls]
    if len(used) < 2:
        return []
    rows = [("role", "calls", "tokens", "cost")]
    rows += [
        (
            role,
            f"{usage.calls:,}",
            f"{usage.tokens:,}",
            "unknown" if usage.usd is None else f"${usage.usd:.2f}",
        )
        for role, usage in used
    ]
    wide = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "What it cost:",
        *(
            f"  {row[0]:{wide[0]}}" + "".join(f"  {row[k]:>{wide[k]}}" for k in (1, 2, 3))
            for row in rows
        ),
    ]


def _spent(result: Result) -> str:
    spent = result.spent
    cost = "cost unknown" if spent.usd is None else f"${spent.usd:.2f}"
    cached = (
        f"; {spent.cached_calls:,} answers were known already and cost nothing"
        if spent.cached_calls
        else ""
    )
    return (
        f"{spent.calls:,} calls, {spent.tokens:,} tokens, {cost}, "
        f"{duration(result.seconds)}{cached}"
    )


def _promotion(result: Result) -> str:
    there = result.registered or result.proposed
    if not there:
        return "; nothing was promoted"
    named = " and ".join(f"prompts:/{name}/{one}" for name, one in there.items())
    verb = "is" if len(there) == 1 else "are"
    if result.registered:
        return f"; {named} {verb} the champion"
    return f"; {named} {verb} the challenger: promptlathe promote NAME makes it the champion"
