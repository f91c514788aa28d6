"""What `check` prints, and what works as `run` and `show` print it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from promptlathe.cli.display import kind
from promptlathe.cli.terminal import say, short
from promptlathe.job.plan import Plan
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.operators import OperatorReport

if TYPE_CHECKING:
    from promptlathe.job import Job

MOST_EFFECTS = 8
_Found = TypeVar("_Found", Effect, Contrast)
NAME = 64
"""Characters of an effect's component and level."""


MOST_LABELS, LABEL = 20, 30
"""Labels that `check` lists, and the characters of each."""


def plan_form(job: "Job", plan: Plan, notes: Sequence[str]) -> dict[str, Any]:
    """The same as data: `calls` and what they may take, None where it is not known."""
    one = plan.estimate

    def all_calls(each: float | None) -> float | None:
        return None if plan.calls is None or each is None else plan.calls * each

    return {
        "job": job.name,
        "model": job.model.name,
        "space": str(job.space.size),
        "rows": {
            "train": len(plan.space.train),
            "select": len(plan.select),
            "test": len(plan.test),
        },
        "unopened": plan.unopened,
        "budget": dict(job.budget.limits),
        "calls": plan.calls,
        "tokens": all_calls(one.tokens),
        "usd": all_calls(one.usd),
        "notes": list(notes),
    }


def show_plan(job: "Job", plan: Plan, notes: Sequence[str]) -> None:
    """The space, the data, the estimated spending, and notes."""
    limited = job.objective.limits.all
    rows = [
        ("space", str(job.space.size)),
        ("seed prompt", levels_line(plan.space.seed.levels)),
        (
            "data",
            f"{len(plan.space.train)} train, {len(plan.select)} select, {len(plan.test)} test rows"
            f" ({plan.unopened} never opened)",
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
    for note in notes:
        say(f"note         {note}")


def _steps(job: "Job") -> str:
    """In order, with the model of those that have one of their own."""
    own = job.step_models
    return ", ".join(f"{s} ({own[s].name})" if s in own else s for s in job.space.prompts)


def show_code(code: Sequence[str]) -> None:
    """What is going to be executed, named before it is."""
    say(code_line(code), err=True)


def code_line(code: Sequence[str]) -> str:
    return f"runs code from: {', '.join(code)}"


def _counts(labels: Mapping[str, int]) -> str:
    """The commonest labels with their rows."""
    shown = [
        f"{short(label, LABEL)} {count}" for label, count in list(labels.items())[:MOST_LABELS]
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
        (short(name, NAME), f"{one.effect:+.1f}", f"{one.low:+.1f} to {one.high:+.1f}")
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


def levels_line(levels: Iterable[tuple[str, object]]) -> str:
    """Levels by component, in a line."""
    return ", ".join(f"{name}={value}" for name, value in levels) or "no levels"
