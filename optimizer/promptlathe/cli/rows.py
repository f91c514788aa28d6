"""What `run` and `show` print of the held-out rows: kinds of mistakes, labels taken for others,
rows that the best prompt fixed or broke."""

from collections.abc import Sequence

from promptlathe.cli.terminal import short
from promptlathe.records import PROMPT, FinalistName
from promptlathe.report.mistakes import KINDS, Kind, confusion, kind_of, kinds
from promptlathe.results import DecidedRow, Result

MOST_PAIRS = 6
"""Pairs of labels that are printed."""
MOST_ROWS = 3
"""Rows of each kind that are printed."""
SAID, LABEL = 56, 26
"""Characters of an output, and of a label."""


def mistake_lines(result: Result) -> list[str]:
    """The kinds of answers of each finalist, then the commonest confusions of labels; nothing
    without rows."""
    if not result.rows:
        return []
    sides = sides_of(result)
    best_possible = result.facts.best_possible
    counts = [kinds(result.rows, side, best_possible) for side in sides]
    met: list[Kind] = [kind for kind in KINDS if any(kind in one for one in counts)]
    head = f"Answers on {len(result.rows)} held-out rows:"
    lines = _table(head, sides, [(kind, [one.get(kind, 0) for one in counts]) for kind in met])
    return [*lines, *_confused(result, sides)]


def sides_of(result: Result) -> list[FinalistName]:
    """The finalists that are different prompts, the seed first."""
    sides: list[FinalistName] = ["seed"]
    known = {result.seed.candidate}
    if result.champion and result.champion.candidate not in known:
        sides.append("champion")
        known.add(result.champion.candidate)
    return sides if result.best.candidate in known else [*sides, "best"]


def _confused(result: Result, sides: Sequence[FinalistName]) -> list[str]:
    """Where the right answers are few."""
    if not result.facts.labels:
        return []
    found = [confusion(result.rows, side) for side in sides]
    pairs = {(a, b) for one in found for a, b, _ in one.mistaken}
    shown = [((a, b), [one.of(a, b) for one in found]) for a, b in pairs]
    shown.sort(key=lambda pair: (-max(pair[1]), -sum(pair[1]), pair[0]))
    named = [
        (f"{short(a, LABEL)} → {short(b, LABEL)}", counts) for (a, b), counts in shown[:MOST_PAIRS]
    ]
    if not named:
        return []
    more = f" (the commonest of {len(shown)})" if len(shown) > MOST_PAIRS else ""
    return ["", *_table(f"What was right → what was said{more}:", sides, named)]


def _table(
    head: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]
) -> list[str]:
    """Names, and a count for each column."""
    first = max(len(head), *(2 + len(name) for name, _ in rows))
    wide = [max(6, len(name)) for name in columns]
    lines = [
        f"{head:{first}}" + "".join(f"{n:>{w + 2}}" for n, w in zip(columns, wide, strict=True))
    ]
    for name, counts in rows:
        cells = "".join(f"{n:>{w + 2},}" for n, w in zip(counts, wide, strict=True))
        lines.append(f"{f'  {name}':{first}}{cells}")
    return lines


def changed_lines(result: Result) -> list[str]:
    """The rows that changed, the most telling ones with what was said; nothing without any."""
    fixed, broken = (
        [row for row in result.changed if row.change == change] for change in ("fixed", "broken")
    )
    if not (fixed or broken):
        return []
    lines = [
        f"From seed to best: {len(fixed)} rows fixed, {len(broken)} broken, of {len(result.rows)}:"
    ]
    for row in (*_telling(fixed), *_telling(broken)):
        lines += _row(row)
    return lines


def row_lines(result: Result) -> list[str]:
    """All rows, with what seed and best said."""
    return [line for row in result.rows for line in _row(row)]


def _telling(rows: Sequence[DecidedRow]) -> list[DecidedRow]:
    """A few that differ in what was right and in how the seed failed, then any."""
    first: dict[object, DecidedRow] = {}
    for row in rows:
        first.setdefault((row.expected, kind_of(row.answers.get("seed"))), row)
    chosen = list(first.values())
    chosen += [row for row in rows if row not in chosen] if len(chosen) < MOST_ROWS else []
    return chosen[:MOST_ROWS]


def _row(row: DecidedRow) -> list[str]:
    asked = next(iter(row.fields.values()), "")
    expected = "" if row.expected is None else f", right: {short(row.expected, LABEL)}"
    head = f"  {row.change or 'alike'} {short(row.example, 20)}{expected}"
    lines = [f"{head}: {short(asked, SAID)!r}"]
    for step, (before, after) in row.outputs.items():
        named = "" if step == PROMPT else f"{step}: "
        lines.append(f"    {named}{_said(row, 'seed', before)} → {_said(row, 'best', after)}")
    return lines


def _said(row: DecidedRow, side: FinalistName, said: str | None) -> str:
    if said is not None:
        return repr(short(said, SAID))
    answer = row.answers.get(side)
    return f"no answer ({answer.failure})" if answer and answer.failure else "no answer"
