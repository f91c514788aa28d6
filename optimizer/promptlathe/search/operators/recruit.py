"""Which rows of `train` are worth showing, from what prompts answered to them.

    bootstrapped  answered right, with the model's own answer (Khattab et al. 2023, DSPy)
    hard          answered wrong, the worst first, with the right answer
    boundary      on both sides of a confusion: `a` read as `b`, and the `b` most like them
    diverse       as unlike each other as they can be (k-centre; Gonzalez 1985)

Each gives at most `count` rows, in no order that matters: a draw orders them. Rows and answers
that a template engine would change are left out.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence

import numpy as np

from promptlathe.records import Example
from promptlathe.search.operators.operator_context import Case, in_turn
from promptlathe.space import Recruited, is_inert
from promptlathe.space.similarity import cosines, farthest_first, text_vectors

TOP = 0.75
"""The quantile of the values from which an answer counts as right."""


def bootstrapped(
    cases: Sequence[Case], *, count: int, target: str | None, rng: np.random.Generator
) -> tuple[Recruited, ...]:
    """Rows answered right, labels in turn; each with its answer, unless that is the target's."""
    known = _scored(cases, rng)
    bar = _bar(known)
    own: dict[str, str] = {}
    for case in known:
        text = case.outcome.trace.text
        if _value(case) >= bar and is_inert(text):
            own.setdefault(case.example.id, text.strip())
    rows = _balanced((c.example for c in known if own.get(c.example.id)), target)[:count]
    return tuple(Recruited(row=e.id, answer=_unlike(e, target, own[e.id])) for e in rows)


def hard(
    cases: Sequence[Case], *, count: int, target: str | None, rng: np.random.Generator
) -> tuple[Recruited, ...]:
    """Rows answered wrong, the lowest value first, labels in turn."""
    known = _scored(cases, rng)
    bar = _bar(known)
    wrong = sorted((case for case in known if _value(case) < bar), key=_value)
    return _recruits(_balanced((case.example for case in wrong), target)[:count])


def boundary(
    cases: Sequence[Case], *, count: int, target: str | None, rng: np.random.Generator
) -> tuple[Recruited, ...]:
    """Rows of confused labels, the most frequent confusion first; none without labels.

    In turn a row of label `a` that was read as `b`, and the row of `b` most like such rows.
    """
    known = _scored(cases, rng)
    rows = _distinct(case.example for case in known)
    if target is None:
        return ()
    of_label: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        of_label.setdefault(_label(row.row[target]), []).append(i)
    confused = _confused(known, target, rows, of_label)
    if not confused:
        return ()
    vectors = text_vectors([_text(row, target) for row in rows])
    sides: list[list[int]] = []
    for (_, b), taken in sorted(confused.items(), key=lambda one: -len(one[1])):
        likeness = cosines(vectors[of_label[b]], vectors[taken]).max(1)
        nearest = [of_label[b][k] for k in np.argsort(-likeness, kind="stable")]
        sides += [taken, nearest[: len(taken)]]
    return _recruits([rows[i] for i in dict.fromkeys(in_turn(sides))][:count])


def diverse(
    cases: Sequence[Case], *, count: int, target: str | None, rng: np.random.Generator
) -> tuple[Recruited, ...]:
    """Rows that are as unlike each other as possible, however they were answered."""
    rows = _distinct(case.example for case in _fit(cases, rng))
    if not rows:
        return ()
    vectors = text_vectors([_text(row, target) for row in rows])
    return _recruits([rows[i] for i in farthest_first(vectors, start=0, count=count)])


Recruiter = Callable[..., tuple[Recruited, ...]]
"""`(cases, *, count, target, rng)`; raises ValueError for a case that is not of `train`."""
RECRUITERS: Mapping[str, Recruiter] = {
    "bootstrapped": bootstrapped,
    "hard": hard,
    "boundary": boundary,
    "diverse": diverse,
}


# Cases


def _fit(cases: Sequence[Case], rng: np.random.Generator) -> list[Case]:
    """Those whose rows may be shown, in random order."""
    for case in cases:
        if case.example.split != "train":
            raise ValueError(f"{case.example.id} is of {case.example.split}: never a demo")
    order = rng.permutation(len(cases)).tolist()
    shuffled = [cases[int(i)] for i in order]
    return [c for c in shuffled if all(is_inert(str(v)) for v in c.example.row.values())]


def _scored(cases: Sequence[Case], rng: np.random.Generator) -> list[Case]:
    """Without failures, which say nothing about the row."""
    return [case for case in _fit(cases, rng) if case.outcome.failure is None]


def _confused(
    cases: Sequence[Case],
    target: str,
    rows: Sequence[Example],
    labels: Container[str],
) -> dict[tuple[str, str], list[int]]:
    """The places in `rows` of those with label a that were read as b, each once, by (a, b)."""
    place = {row.id: i for i, row in enumerate(rows)}
    taken: dict[tuple[str, str], dict[int, None]] = {}
    for case in cases:
        if case.outcome.parsed is None:
            continue
        a, b = _label(case.example.row[target]), _label(case.outcome.parsed)
        if a != b and b in labels:
            taken.setdefault((a, b), {})[place[case.example.id]] = None
    return {pair: list(places) for pair, places in taken.items()}


def _value(case: Case) -> float:
    return case.outcome.value or 0.0


def _bar(cases: Sequence[Case]) -> float:
    """The value from which an answer is right: in the top quarter, and above the lowest.

    When all values are equal, they are right if they are the best that there is.
    """
    values = [_value(case) for case in cases]
    lowest = min(values, default=0.0)
    above = [value for value in values if value > lowest]
    if above:
        return max(min(above), float(np.quantile(values, TOP, method="lower")))
    return lowest if cases and all(case.right for case in cases) else np.inf


def _unlike(example: Example, target: str | None, answer: str) -> str | None:
    """None where the answer says just what the target does, or there is no target's place."""
    if target is None or _label(answer) == _label(example.row[target]):
        return None
    return answer


# Rows


def _balanced(examples: Iterable[Example], target: str | None) -> list[Example]:
    rows = _distinct(examples)
    of_label: dict[str, list[Example]] = {}
    for row in rows:
        of_label.setdefault(_label(row.row[target]) if target is not None else "", []).append(row)
    return in_turn(of_label.values())


def _distinct(examples: Iterable[Example]) -> list[Example]:
    return list({example.id: example for example in examples}.values())


def _recruits(examples: Iterable[Example]) -> tuple[Recruited, ...]:
    return tuple(Recruited(row=example.id) for example in examples)


def _label(given: object) -> str:
    return str(given).strip().casefold()


def _text(example: Example, target: str | None) -> str:
    """What the model sees of a row: never its target."""
    return "\n".join(str(value) for name, value in example.row.items() if name != target)
