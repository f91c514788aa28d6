"""What the runs of an experiment say together: data, without words.

Effects of several runs are not pooled: a run learns from the earlier ones (warm start), and all of
them may have scored the same rows, so that their intervals are not independent. What stands for a
contrast is the latest run that estimated it, with the range of the earlier estimates beside it.
Runs of different objectives or models are kept apart.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from promptlathe.records import FinalistName, Prompt, Value
from promptlathe.results import DecidedRow, Result
from promptlathe.search.lathe.contrasts import Contrast

MOST_HARD = 20
"""Rows that no prompt gets right that are shown."""
NEAR = 1e-9
Standing = Literal["helps", "hurts", "undecided"]


@dataclass(frozen=True)
class RunLine:
    """A run of the timeline."""

    run: str
    mlflow: str | None
    at: datetime
    verdict: str
    compared_with: str
    seed: float
    best: float
    gain: float
    low: float
    high: float
    rows: int
    opened: int
    calls: int
    usd: float | None
    promoted: Mapping[str, int]


@dataclass(frozen=True)
class Finding:
    """A level of a component, over another one, in the best prompt of the latest run."""

    component: str
    level: Value
    over: Value
    effect: float
    low: float
    high: float
    """Points, 95 % interval."""
    calls: int
    run: str
    """The latest that estimated it."""
    since: datetime
    """When it was first estimated."""
    runs: int
    """That estimated it."""
    lowest: float
    highest: float
    """Of their estimates."""

    @property
    def standing(self) -> Standing:
        """By the interval of the latest estimate."""
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "undecided"


@dataclass(frozen=True)
class BasePrompt:
    """A prompt to begin with, and its evidence: the best of a run."""

    candidate: str
    prompts: Mapping[str, Prompt]
    levels: Mapping[str, Value]
    line: RunLine
    """Of the latest run that had it as its best."""
    runs: int
    """That had it."""
    promoted: Mapping[str, int]
    """Its versions in the registry by name, where it became the champion."""


@dataclass(frozen=True)
class HardRow:
    """A held-out row that no finalist of any run gets right."""

    row: DecidedRow
    """As the latest run met it."""
    usual: str
    """What finalists answer most."""
    asked: int
    """Finalists that answered it, over all runs; the same prompt counts once."""


@dataclass(frozen=True)
class Chapter:
    """The runs of one objective on one model, the latest last."""

    objective: str
    model: str
    goal: str
    embedded: bool
    lines: tuple[RunLine, ...]
    findings: tuple[Finding, ...]
    """The strongest first."""
    prompts: tuple[BasePrompt, ...]
    """The latest first."""
    hard: tuple[HardRow, ...]
    hard_in_all: int
    """How many there are, shown or not."""
    flips: int
    """Rows that some finalists get right and others do not."""
    rows: int
    """Held-out rows that were met."""

    @property
    def latest(self) -> RunLine:
        return self.lines[-1]

    @property
    def calls(self) -> int:
        return sum(line.calls for line in self.lines)

    @property
    def usd(self) -> float | None:
        """None where a price is unknown."""
        known = [line.usd for line in self.lines]
        return None if None in known else sum(usd for usd in known if usd is not None)


@dataclass(frozen=True)
class Guide:
    """Of an experiment."""

    experiment: str
    chapters: tuple[Chapter, ...]
    """That with the latest run first."""
    unread: int = 0
    """Runs whose results were written by another version."""

    @property
    def runs(self) -> int:
        return sum(len(chapter.lines) for chapter in self.chapters)


def gather(experiment: str, results: Iterable[Result], unread: int = 0) -> Guide:
    """A guide of these results, in any order."""
    apart: defaultdict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for one in sorted(results, key=lambda one: one.facts.ended):
        facts = one.facts
        apart[facts.objective, facts.model, facts.endpoint].append(one)
    chapters = [_chapter(some) for some in apart.values()]
    chapters.sort(key=lambda one: one.latest.at, reverse=True)
    return Guide(experiment, tuple(chapters), unread)


def _chapter(results: Sequence[Result]) -> Chapter:
    """results: the latest last."""
    facts = results[-1].facts
    hard, flips, rows = _rows(results)
    return Chapter(
        objective=facts.objective,
        model=facts.model,
        goal=facts.goal,
        embedded=facts.embedded,
        lines=tuple(_line(one) for one in results),
        findings=tuple(_findings(results)),
        prompts=tuple(_prompts(results)),
        hard=tuple(hard[:MOST_HARD]),
        hard_in_all=len(hard),
        flips=flips,
        rows=rows,
    )


def _line(result: Result) -> RunLine:
    test = result.decisive
    return RunLine(
        run=result.run,
        mlflow=result.run_id,
        at=result.facts.ended,
        verdict=result.verdict,
        compared_with=result.compared_with,
        seed=test.seed,
        best=test.best,
        gain=test.gain,
        low=test.interval[0],
        high=test.interval[1],
        rows=test.examples,
        opened=result.opened,
        calls=result.spent.used_calls,
        usd=result.spent.usd,
        promoted=result.registered,
    )


def _findings(results: Sequence[Result]) -> Iterator[Finding]:
    """Each pair of levels once, in the direction of the latest run that has it."""
    told: defaultdict[tuple[str, frozenset[Value]], list[tuple[Result, Contrast]]]
    told = defaultdict(list)
    for result in results:
        for one in result.found_in_best:
            told[one.component, frozenset((one.level, one.over))].append((result, one))
    found: list[Finding] = []
    for some in told.values():
        latest, last = some[-1]
        effects = [one.effect if one.level == last.level else -one.effect for _, one in some]
        found.append(
            Finding(
                last.component,
                last.level,
                last.over,
                last.effect,
                last.low,
                last.high,
                last.calls,
                latest.run,
                some[0][0].facts.ended,
                len(some),
                min(effects),
                max(effects),
            )
        )
    yield from sorted(found, key=lambda one: -abs(one.effect))


def _prompts(results: Sequence[Result]) -> Iterator[BasePrompt]:
    """The best of each run, each prompt once; not a seed that nothing beat."""
    times = Counter(one.best.candidate for one in results)
    promoted = {one.best.candidate: one.registered for one in results if one.registered}
    seen: set[str] = set()
    for one in reversed(results):
        best = one.best
        if best.candidate in seen or best.candidate == one.seed.candidate:
            continue
        seen.add(best.candidate)
        yield BasePrompt(
            best.candidate,
            best.prompts,
            best.levels,
            _line(one),
            times[best.candidate],
            promoted.get(best.candidate, {}),
        )


def _rows(results: Sequence[Result]) -> tuple[list[HardRow], int, int]:
    """Rows that no finalist gets right; how many some get right; how many there are.

    Right is the best possible value, or, where that is not known, the best that anybody reached.
    """
    latest: dict[str, DecidedRow] = {}
    values: defaultdict[str, dict[str, float]] = defaultdict(dict)
    answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        for row in result.rows:
            latest[row.example] = row
            for side, answer in row.answers.items():
                candidate = _candidate(result, side)
                if answer.value is None or candidate in values[row.example]:
                    continue
                values[row.example][candidate] = answer.value
                answers[row.example][answer.parsed or answer.output or ""] += 1
    possible = [p for one in results if (p := one.facts.best_possible) is not None]
    reached = [value for some in values.values() for value in some.values()]
    top = max(possible or reached, default=1.0)
    hard: list[HardRow] = []
    flips = 0
    for example, some in values.items():
        right = sum(value >= top - NEAR for value in some.values())
        if not right:
            usual = answers[example].most_common(1)[0][0]
            hard.append(HardRow(latest[example], usual, len(some)))
        flips += 0 < right < len(some)
    hard.sort(key=lambda one: (-one.asked, one.row.example))
    return hard, flips, len(values)


def _candidate(result: Result, side: FinalistName) -> str:
    finalist = {"seed": result.seed, "best": result.best, "champion": result.champion}[side]
    return finalist.candidate if finalist else side
