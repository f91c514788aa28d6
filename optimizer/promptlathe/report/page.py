"""The report of a run: one page for a reader who knows nothing of how it was made."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from promptlathe.records import PROMPT, FinalistName, Prompt, Role, Standing, Value
from promptlathe.report.charts import Charts, Dot, Line, Spread
from promptlathe.report.frame import page
from promptlathe.report.language import Language
from promptlathe.report.languages import LanguageCode
from promptlathe.report.mistakes import KINDS, Confusion, Kind, confusion, kinds
from promptlathe.report.row_html import change_words, rows_html
from promptlathe.report.rows import Text, clip, fixed_and_broken, line_of, shown_rows
from promptlathe.report.usage import usage_of
from promptlathe.report.worddiff import word_diff
from promptlathe.results import CurvePoint, Finalist, Result
from promptlathe.results.pareto import cost_per_call, tokens_per_call
from promptlathe.results.result import ROLES
from promptlathe.runtime.account import Usage as Used
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.operators import LevelLineage
from promptlathe.space.tools import shown_tools
from promptlathe.version import version

PROMPT_BYTES = 120_000
"""Of one prompt, at most; of longer ones no word diff is made."""
MOST_SPREADS, MOST_CANDIDATES, MOST_LABELS, MOST_MISTAKEN, MOST_TEXTS = 10, 25, 12, 12, 20
MOST_POINTS = 20
"""Of the curve, in its table."""
LEVEL, TEXT_BYTES = 90, 8_000
"""Characters of a level in a table, and bytes of a text that an operator wrote."""


@dataclass(frozen=True)
class ShownPrompt:
    """A prompt before and after, and what changed; `pieces` is empty for one too long for it."""

    name: str
    before: Text
    after: Text
    pieces: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ShownLevel:
    """What a component was before and after."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Works:
    """What single choices do, the strongest first; clear ones before others."""

    in_best: Sequence[Contrast]
    average: Sequence[Effect]

    @property
    def in_best_clear(self) -> bool:
        return any(one.clear for one in self.in_best)

    @property
    def average_clear(self) -> bool:
        return any(one.clear for one in self.average)

    @property
    def lines(self) -> int:
        return len(self.in_best) + len(self.average)


@dataclass(frozen=True)
class ShownCandidate:
    """A line of a table of prompts that were tried."""

    number: int
    name: FinalistName | None
    mean: float
    low: float
    high: float
    cells: int
    tokens: float | None
    usd: float | None
    differs: str


@dataclass(frozen=True)
class Tried:
    """What the search tried that is not in the best prompt."""

    losing: Sequence[Contrast]
    unclear: Sequence[str]
    """Components of which no contrast is clear."""
    texts: Sequence[LevelLineage]
    candidates: Sequence[ShownCandidate]


@dataclass(frozen=True)
class ShownConfusion:
    """Of one prompt; the whole table only where it is small."""

    small: bool
    said: Sequence[str]
    lines: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    mistaken: Sequence[tuple[str, str, int]]

    @classmethod
    def of(cls, table: Confusion) -> "ShownConfusion":
        said = table.said
        small = len(table.labels) <= MOST_LABELS and len(said) <= MOST_LABELS + 6
        lines = [(one, list(zip(said, table.row(one), strict=True))) for one in table.labels]
        return cls(small, said, lines if small else [], table.mistaken[:MOST_MISTAKEN])


@dataclass(frozen=True)
class Spending:
    """Of one role."""

    role: Role
    used: Used


@dataclass(frozen=True)
class Pictures:
    """The charts, as SVG; empty for what the run does not have."""

    verdict: Markup
    in_best: Markup
    average: Markup
    progress: Markup
    pareto: Markup


def report_page(result: Result, language: LanguageCode = "en", *, pictures: bool = False) -> str:
    """The HTML page. pictures: a page of what the prompts drew stands beside it."""
    words = Language(language)
    facts = result.facts
    rows = shown_rows(result.rows, facts.best_possible, facts.labels)
    changes = change_words(words, rows, facts.best_possible)
    works = _works(result)
    fixed, broken = fixed_and_broken(result.rows)
    same = result.best.candidate == result.seed.candidate
    front = _front(result)
    sides = _sides(result)
    return page(
        "report.html.j2",
        words,
        result=result,
        facts=facts,
        verdict={"better": "better", "worse": "worse"}.get(result.verdict, "tie"),
        rival=result.compared_with,
        same=same,
        hundred=abs(round(100 * result.test.gain)),
        fixed=fixed,
        broken=broken,
        rows=rows,
        row_lines=rows_html(rows, words, changes),
        changes=changes,
        works=works,
        prompts=_prompts(result, same=same),
        champion=[clip(_text(one), PROMPT_BYTES) for one in _named(result.champion)],
        levels=_levels(result),
        front=front,
        priced=any(one.usd for one in front),
        tried=_tried(result, works),
        possible=_possible(facts.space),
        curve=_thinned(result.curve),
        kept_texts=[one for one in result.lineage if one.kept],
        kinds=_kinds(result, sides),
        confusions=_confusions(result, sides),
        spent=_spent(result),
        judges_known=all(one.calibration for one in result.judges) and bool(result.judges),
        usage=usage_of(result),
        charts=_charts(result, words, works),
        pictures=pictures,
        version=version(),
        level=_level,
        short=_short,
    )


def _short(text: str) -> str:
    said = clip(text, TEXT_BYTES)
    return f"{said.said} …" if said.cut else text


def _thinned(curve: Sequence[CurvePoint]) -> Sequence[CurvePoint]:
    """Evenly, the last one included."""
    step = max(1, -(-len(curve) // MOST_POINTS))
    return list(reversed(curve[::-1][::step]))


def _possible(space: str) -> int | None:
    """How many prompts a space makes, where its size is a number."""
    found = re.fullmatch(r"([\d,]+) candidates?", space)
    return int(found[1].replace(",", "")) if found else None


def _sides(result: Result) -> tuple[FinalistName, ...]:
    return ("seed", "champion", "best") if result.test_champion else ("seed", "best")


def _named(side: Finalist | None) -> Sequence[Prompt]:
    return tuple(side.prompts.values()) if side else ()


def _prompts(result: Result, *, same: bool) -> list[ShownPrompt]:
    shown: list[ShownPrompt] = []
    for name, prompt in result.best.prompts.items():
        before, after = _text(result.seed.prompts[name]), _text(prompt)
        sides = clip(before, PROMPT_BYTES), clip(after, PROMPT_BYTES)
        pieces = [] if any(one.cut for one in sides) else word_diff(before, after)
        shown.append(ShownPrompt("" if name == PROMPT else name, *sides, pieces))
    return shown


def _text(prompt: Prompt) -> str:
    """Messages, tools and parameters as one text."""
    parts = [f"[{one.role}]\n{one.text}" for one in prompt.messages]
    parts += [f"[tools]\n{tools}"] if (tools := shown_tools(prompt)) else []
    parameters = [f"{name} = {value}" for name, value in prompt.parameters if name != "tools"]
    parts += ["[parameters]\n" + "\n".join(parameters)] if parameters else []
    for name, rule in prompt.fills:
        told = [f"{key} = {value}" for key, value in rule.items() if value is not None]
        parts.append(f"[{name}]\n" + "\n".join(told))
    return "\n\n".join(parts)


def _levels(result: Result) -> list[ShownLevel]:
    seed, best = result.seed.levels, result.best.levels
    names = [*best, *(name for name in seed if name not in best)]
    return [ShownLevel(one, _level(seed.get(one)), _level(best.get(one))) for one in names]


def _level(value: Value | None) -> str:
    if value is None:
        return "–"
    return line_of(f"{value:g}" if isinstance(value, float) else str(value), LEVEL)


def _works(result: Result) -> Works:
    def strength(one: Contrast | Effect) -> tuple[bool, float]:
        return not one.clear, -abs(one.effect)

    return Works(
        sorted(result.found_in_best, key=strength), sorted(result.found_effects, key=strength)
    )


def _tried(result: Result, works: Works) -> Tried:
    in_best = result.found_in_best
    by_component = groupby(in_best, key=lambda one: one.component)
    clear = {name: any(one.clear for one in some) for name, some in by_component}
    others = [one for one in result.lineage if not one.kept and one.calls]
    texts = sorted(others, key=lambda one: -(one.gain or 0.0))[:MOST_TEXTS]
    best = sorted(
        (one for one in result.standings if one.estimate),
        key=lambda one: -one.estimate.mean if one.estimate else 0.0,
    )
    return Tried(
        losing=[one for one in works.in_best if one.clear and one.effect > 0],
        unclear=[name for name, one in clear.items() if not one],
        texts=texts,
        candidates=_candidates(result, best[:MOST_CANDIDATES]),
    )


def _front(result: Result) -> list[ShownCandidate]:
    return _candidates(result, result.pareto)


def _candidates(result: Result, standings: Sequence[Standing]) -> list[ShownCandidate]:
    names: dict[str, FinalistName] = {result.seed.candidate: "seed", result.best.candidate: "best"}
    shown: list[ShownCandidate] = []
    for one in standings:
        if one.estimate is None:
            continue
        shown.append(
            ShownCandidate(
                number=one.number,
                name=names.get(one.candidate.id),
                mean=one.estimate.mean,
                low=one.estimate.low,
                high=one.estimate.high,
                cells=one.cells,
                tokens=tokens_per_call(one),
                usd=cost_per_call(one),
                differs=_differs(dict(one.candidate.levels), result.best.levels),
            )
        )
    return shown


def _differs(levels: Mapping[str, Value], best: Mapping[str, Value]) -> str:
    return ", ".join(f"{k} = {_level(v)}" for k, v in levels.items() if best.get(k) != v)


def _kinds(
    result: Result, sides: Sequence[FinalistName]
) -> Mapping[str, Mapping[FinalistName, int]]:
    found: dict[FinalistName, Mapping[Kind, int]] = {
        side: kinds(result.rows, side, result.facts.best_possible) for side in sides
    }

    def of(kind: Kind) -> dict[FinalistName, int]:
        return {side: some.get(kind, 0) for side, some in found.items()}

    return {kind: of(kind) for kind in KINDS if any(of(kind).values())}


def _confusions(
    result: Result, sides: Sequence[FinalistName]
) -> list[tuple[FinalistName, ShownConfusion]]:
    if not result.facts.labels or not result.rows:
        return []
    return [(side, ShownConfusion.of(confusion(result.rows, side))) for side in sides]


def _spent(result: Result) -> list[Spending]:
    every = [Spending(role, result.spent.of(role)) for role in ROLES]
    return [one for one in every if one.role == "task" or one.used.calls or one.used.cached_calls]


def _charts(result: Result, words: Language, works: Works) -> Pictures:
    _ = words.gettext
    charts = Charts(words.short)
    test, empty = result.test, Markup()
    verdict = [Spread(_("against the starting prompt"), test.gain, *test.interval)]
    if other := result.test_champion:
        verdict.append(Spread(_("against the current champion"), other.gain, *other.interval))
    in_best = [
        Spread(f"{c.component}: {_level(c.level)} > {_level(c.over)}", c.effect, c.low, c.high)
        for c in _strongest(works.in_best)
    ]
    average = [
        Spread(f"{e.component} = {_level(e.level)}", e.effect, e.low, e.high)
        for e in works.average[:MOST_SPREADS]
    ]
    return Pictures(
        verdict=charts.forest(
            verdict,
            _("Difference of the new prompt"),
            _("A difference of scores with its 95 % interval; the text above says the same."),
            _("difference of the score"),
            words.gain,
        )
        if test.examples
        else empty,
        in_best=_forest(charts, in_best, _("What choices do in the new prompt"), words),
        average=_forest(charts, average, _("What choices do on average"), words),
        progress=_progress(charts, result, words),
        pareto=_pareto(charts, result, words),
    )


def _strongest(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Of each component the first."""
    found: dict[str, Contrast] = {}
    for one in contrasts:
        found.setdefault(one.component, one)
    return list(found.values())[:MOST_SPREADS]


def _forest(charts: Charts, spreads: Sequence[Spread], title: str, words: Language) -> Markup:
    if not spreads:
        return Markup()
    said = words.gettext("Estimates in points with their 95 % intervals; the table below has all.")

    def points(value: float) -> str:
        return words.gain(value, 1)

    return charts.forest(spreads, title, said, words.gettext("points"), points)


def _progress(charts: Charts, result: Result, words: Language) -> Markup:
    _ = words.gettext
    best = [(one.calls, one.best) for one in result.curve if one.best is not None]
    seed = [(one.calls, one.seed) for one in result.curve if one.seed is not None]
    if len(best) < 2:
        return Markup()
    lines = [Line(_("best so far"), best, main=True)]
    lines += [Line(_("starting prompt"), seed)] if len(seed) > 1 else []
    return charts.lines(
        lines,
        _("Estimated score by calls"),
        _("The table below has the figures."),
        _("calls"),
    )


def _pareto(charts: Charts, result: Result, words: Language) -> Markup:
    _ = words.gettext
    front = result.pareto
    if len(front) < 1:
        return Markup()
    prices = [cost_per_call(one) for one in front]
    priced = all(price is not None for price in prices) and any(prices)
    price_of = cost_per_call if priced else tokens_per_call
    on_front = {id(one) for one in front}
    names = {result.seed.candidate: _("starting prompt"), result.best.candidate: _("new prompt")}
    dots = [
        Dot(price, one.estimate.mean, names.get(one.candidate.id, ""), id(one) in on_front)
        for one in result.standings
        if one.estimate and (price := price_of(one)) is not None
    ]
    axis = _("USD a call") if priced else _("tokens a call")
    said = _("Each dot is a prompt that was tried; the table below has those on the line.")
    return charts.scatter(dots, _("Estimated score and price"), said, axis)
