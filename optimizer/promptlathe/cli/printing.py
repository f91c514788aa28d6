"""What `check` and `run` print."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from promptlathe.cli.display import duration, kind
from promptlathe.cli.hints import command
from promptlathe.cli.steps import changed_lines, step_lines
from promptlathe.cli.terminal import say
from promptlathe.job.plan import Plan
from promptlathe.results import Finalist, Result, Test
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.operators import OperatorReport
from promptlathe.space.tools import PARAMETER as TOOLS
from promptlathe.space.tools import shown_tools

if TYPE_CHECKING:
    from promptlathe.job import Job

MOST_EFFECTS = 8
_Found = TypeVar("_Found", Effect, Contrast)
NAME = 64
"""Characters of an effect's component and level."""


MOST_LABELS, LABEL = 20, 30
"""Labels that `check` lists, and the characters of each."""


def show_plan(job: "Job", plan: Plan, more: Sequence[str] = ()) -> None:
    """The space, the data, the estimated spending, and notes; `more` of these."""
    limited = job.objective.limits.all
    rows = [
        ("space", str(job.space.size)),
        ("seed prompt", _levels(plan.space.seed.levels)),
        (
            "data",
            f"{len(plan.space.train)} train, {len(plan.select)} select, {len(plan.test)} test rows",
        ),
        *([("labels", _counts(job.objective.label_counts))] if job.objective.labels else []),
        ("operators", ", ".join(job.operators) or "none"),
        ("model", f"{job.model.name}{kind(job.model)}"),
        *([("steps", _steps(job))] if job.space.chained else []),
        ("limits", ", ".join(map(str, limited)) or "none"),
        ("budget", ", ".join(f"{v:,} {k}" for k, v in job.budget.limits.items())),
        ("calls", "as many as time allows" if plan.calls is None else f"about {plan.calls:,}"),
        ("tokens", _tokens(plan)),
        ("cost", _cost(plan)),
    ]
    for name, value in rows:
        say(f"{name:12} {value}")
    for note in (*plan.notes, *more):
        say(f"note         {note}")


def _steps(job: "Job") -> str:
    """In order, with the model of those that have one of their own."""
    own = job.step_models
    return ", ".join(f"{s} ({own[s].name})" if s in own else s for s in job.space.prompts)


def show_code(code: Sequence[str]) -> None:
    """What is going to be executed, named before it is."""
    say(f"runs code from: {', '.join(code)}", err=True)


def _counts(labels: Mapping[str, int]) -> str:
    """The commonest labels with their rows."""
    shown = [
        f"{_short(label, LABEL)} {count}" for label, count in list(labels.items())[:MOST_LABELS]
    ]
    more = f" and {len(labels) - MOST_LABELS} more" if len(labels) > MOST_LABELS else ""
    return ", ".join(shown) + more


def _tokens(plan: Plan) -> str:
    one = plan.estimate
    each = f"about {one.input_tokens:,} in and {one.output_tokens:,} out per call"
    if plan.calls is None:
        return f"{each}, at most {one.most_tokens:,}"
    most = min(plan.budget.tokens or math.inf, plan.calls * one.most_tokens)
    return f"about {plan.calls * one.tokens:,}, at most {most:,} ({each})"


def _cost(plan: Plan) -> str:
    one = plan.estimate
    if one.usd is None or one.most_usd is None:
        return "unknown: the run file has no price for the model"
    if one.most_usd == 0:
        return "nothing"
    each = f"about ${one.usd:.6f} per call, at most ${one.most_usd:.6f}"
    if plan.calls is None:
        return each
    most = min(plan.budget.usd or math.inf, plan.calls * one.most_usd)
    return f"about ${plan.calls * one.usd:.2f}, at most ${most:.2f} ({each})"


def show_result(job: "Job", result: Result) -> None:
    """The verdict, the prompt, and what was spent."""
    out = say
    chosen = result.chosen
    out(f"\nThe recommended prompt{_plural(chosen)} ({_levels(tuple(chosen.levels.items()))}):")
    _show_prompts(chosen)
    out(f"\n{_headline(result)}")
    out(_test_line("seed", "best", result.test))
    if result.test_champion:
        out(_test_line("champion", "best", result.test_champion))
    for lines in (
        in_best_lines(result.found_in_best, result.recommended),
        effect_lines(result.found_effects),
    ):
        if lines:
            out("\n" + "\n".join(lines))
    if lines := operator_lines(result.operators):
        out("\n" + "\n".join(lines))
    if lines := [*step_lines(result.steps), *changed_lines(result)]:
        out("\n" + "\n".join(lines))
    out()
    if job.model.embedded:
        out("model     the embedded pocket model: its scores say nothing about an LLM's")
    out(f"finished  {result.finish_reason}; {len(result.standings)} candidates tried")
    out(f"spent     {_spent(result)}")
    out(f"answers   {result.answers}")
    for note in result.notes:
        out(f"note      {note}")


def show_record(job: "Job", told: Result, result: Result) -> None:
    """What MLflow made of the result after it was told, and where to look at it."""
    for note in result.notes[len(told.notes) :]:
        say(f"note      {note}")
    if result.run_id:
        say(f"MLflow    run {result.run_id}{_promotion(result)}")
        say(f"\nNext:  {command('ui', workspace=job.workspace)}")


def _headline(result: Result) -> str:
    """The verdict, and what to use."""
    rival = result.compared_with
    same = result.best.candidate == result.seed.candidate
    match result.verdict:
        case "better":
            said = f"Better: the best prompt beats the {rival} prompt on held-out rows."
        case "worse":
            said = f"Worse: the best prompt of the search loses to the {rival} on held-out rows."
        case _ if same and rival == "seed":
            return "No significant gain: the search found nothing better than the seed prompt."
        case _:
            said = f"No significant gain: a tie with the {rival} on held-out rows."
    if result.verdict == "better" and result.recommended == "best":
        return said
    return f"{said}\nRecommended: the {result.recommended} prompt, since {result.reason}."


def _test_line(first: str, second: str, test: Test) -> str:
    low, high = test.interval
    return (
        f"  {first} {test.seed:.3f} → {second} {test.best:.3f}: gain {test.gain:+.3f}, "
        f"95 % interval {low:+.3f} to {high:+.3f}, on {test.examples} held-out rows"
    )


def in_best_lines(contrasts: Sequence[Contrast], recommended: str) -> list[str]:
    """Of each component of the best prompt the strongest clear contrast; nothing without any."""
    strongest: dict[str, Contrast] = {}
    for one in _clear(contrasts):
        strongest.setdefault(one.component, one)
    rows = [(f"{c.component}: {c.level} over {c.over}", c) for c in strongest.values()]
    which = "the best prompt" if recommended == "best" else "the best prompt of the search"
    head = f"What works in {which}, all else kept (points, 95 % interval):"
    return _effect_table(head, rows)


def effect_lines(effects: Sequence[Effect]) -> list[str]:
    """The strongest effects that are clear; nothing when none is."""
    rows = [(f"{one.component} = {one.level}", one) for one in _clear(effects)]
    head = "On average over the other components (points against the mean level, 95 % interval):"
    return _effect_table(head, rows)


def _clear(found: Sequence[_Found]) -> list[_Found]:
    """The strongest first."""
    return sorted((one for one in found if one.clear), key=lambda one: -abs(one.effect))


def _effect_table(head: str, found: Sequence[tuple[str, Effect | Contrast]]) -> list[str]:
    rows = [
        (_short(name), f"{one.effect:+.1f}", f"{one.low:+.1f} to {one.high:+.1f}")
        for name, one in found[:MOST_EFFECTS]
    ]
    if not rows:
        return []
    a, b, c = (max(len(row[column]) for row in rows) for column in range(3))
    return [head, *(f"  {name:{a}}  {effect:>{b}}  {ends:>{c}}" for name, effect, ends in rows)]


def operator_lines(operators: Sequence[OperatorReport]) -> list[str]:
    """What each operator did; nothing without any."""
    rows = [
        (
            one.operator,
            str(one.levels),
            str(one.kept),
            "-" if one.gain is None else f"{one.gain:+.1f}",
            "-" if one.gain_low is None else f"{one.gain_low:+.1f} to {one.gain_high:+.1f}",
            "-" if one.gain_on_average is None else f"{one.gain_on_average:+.1f}",
            f"{one.calls:,}",
            f"{one.tokens:,}",
            ", ".join(f"{count} {why}" for why, count in one.refused.items()),
        )
        for one in operators
    ]
    if not rows:
        return []
    head = (
        "operator",
        "levels",
        "in the best",
        "gain",
        "95 % interval",
        "on average",
        "calls",
        "tokens",
        "gave nothing",
    )
    wide = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head) - 1)]
    lines = [
        "  ".join(
            (
                "",
                f"{row[0]:{wide[0]}}",
                *(f"{row[k]:>{wide[k]}}" for k in range(1, len(wide))),
                row[-1],
            )
        )
        for row in (head, *rows)
    ]
    title = "What the operators made (gain: points in the best prompt over what it replaced):"
    return [title, *(line.rstrip() for line in lines)]


def _short(name: str, most: int = NAME) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _plural(side: Finalist) -> str:
    return "s" if len(side.prompts) > 1 else ""


def _show_prompts(side: Finalist) -> None:
    for name, prompt in side.prompts.items():
        if len(side.prompts) > 1:
            say(f"\n{name}", bold=True)
        for message in prompt.messages:
            say(f"\n[{message.role}]", bold=True)
            say(message.text)
        if tools := shown_tools(prompt):
            say("\n[tools]", bold=True)
            say(tools)
        if parameters := tuple(one for one in prompt.parameters if one[0] != TOOLS):
            say(f"\n[parameters] {_levels(parameters)}")
        for filled, rule in prompt.fills:
            told = tuple((key, value) for key, value in rule.items() if value is not None)
            say(f"\n[{filled}, filled in for each row] {_levels(told)}")


def _spent(result: Result) -> str:
    spent = result.spent
    cost = "cost unknown" if spent.usd is None else f"${spent.usd:.2f}"
    cached = (
        f"; {spent.cached_calls:,} answers were known already and cost nothing"
        if spent.cached_calls
        else ""
    )
    others = {"rewriter": spent.of("rewrite").calls, "judge": spent.of("judge").calls}
    named = ", ".join(f"{calls:,} to the {who}" for who, calls in others.items() if calls)
    return (
        f"{spent.calls:,} calls{f' ({named})' if named else ''}, {spent.tokens:,} tokens, {cost}, "
        f"{duration(result.seconds)}{cached}"
    )


def _promotion(result: Result) -> str:
    if not result.registered:
        return "; nothing was promoted"
    named = " and ".join(f"prompts:/{name}/{one}" for name, one in result.registered.items())
    return f"; {named} {'is' if len(result.registered) == 1 else 'are'} the champion"


def _levels(levels: tuple[tuple[str, object], ...]) -> str:
    return ", ".join(f"{name}={value}" for name, value in levels) or "no levels"
