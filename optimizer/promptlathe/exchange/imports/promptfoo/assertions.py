"""Assertions as scorers of all rows.

What differs from row to row goes into a field of the rows; what is the same for all stands in the
scorer. An assertion that only some rows have is kept where a row can do without it.
"""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlathe.exchange.imports.draft import Lost
from promptlathe.exchange.imports.promptfoo.tests import Assertion, Test
from promptlathe.exchange.imports.templates import Reading
from promptlathe.records import Json

PHRASES = {
    "contains": False,
    "contains-all": False,
    "contains-any": True,
    "icontains": False,
    "icontains-all": False,
    "icontains-any": True,
}
"""Whether one phrase of a list is enough."""
COMPARED = {"equals": "expected", "similar": "reference", "rouge-n": "summary"}
"""Those that compare with a text of each row, and the field that holds it."""
JUDGED = ("llm-rubric", "model-graded-closedqa", "g-eval")
FACTS = ("factuality", "model-graded-factuality")
MOST_SAID = 5
"""Places that are named of what many tests have."""


@dataclass(frozen=True)
class Scored:
    """What assertions became."""

    rows: tuple[dict[str, Any], ...]
    scorers: tuple[Json, ...]
    goal: str | None
    limits: Mapping[str, str]
    labels: str | None
    kept: tuple[str, ...]


@dataclass
class _Column:
    """Values by row."""

    values: dict[int, Any] = field(default_factory=dict[int, Any])
    places: list[str | None] = field(default_factory=list[str | None])
    weights: list[float] = field(default_factory=list[float])
    kinds: dict[str, None] = field(default_factory=dict[str, None])
    """Of assertions, as promptfoo calls them."""

    def took(self, one: Assertion) -> None:
        """An assertion belongs to it."""
        self.places.append(one.where)
        self.weights.append(one.weight)
        self.kinds[f"not-{one.kind}" if one.negated else one.kind] = None

    @property
    def said(self) -> str:
        return ", ".join(self.kinds)


def scored(tests: Iterable[Test], reading: Reading, lost: list[Lost]) -> Scored:
    """Rows with the fields that the prompts show, and scorers."""
    gathering = _Gathering(reading, lost)
    for test in tests:
        gathering.add(test)
    return gathering.scored()


class _Gathering:
    def __init__(self, reading: Reading, lost: list[Lost]) -> None:
        self._reading, self._lost = reading, lost
        self._rows: list[dict[str, Any]] = []
        self._places: list[str | None] = []
        self._columns: dict[str, _Column] = defaultdict(_Column)
        self._same: dict[str, _Column] = defaultdict(_Column)
        """Scorers that need nothing of a row, as JSON, with the rows that have them."""
        self._limits: dict[str, float] = {}
        self._unknown: dict[str, list[str | None]] = defaultdict(list)

    def add(self, test: Test) -> None:
        row = self._reading.row(test.values)
        if not row:
            names = [n for n in self._reading.names.known if not self._has(n, test.values)]
            self._unknown[f"a test without a value for {', '.join(names)}"].append(test.where)
            return
        at = len(self._rows)
        self._rows.append(row)
        self._places.append(test.where)
        for one in test.asserts:
            if why := self._taken(one, at, test.values):
                self._unknown[why].append(one.where)

    def _has(self, name: str, values: Mapping[str, Any]) -> bool:
        return bool(Reading.row(self._only(name), values))

    def _only(self, name: str) -> Reading:
        from promptlathe.exchange.imports.draft import Names

        names = Names()
        own = next((o for o, n in self._reading.names.changed.items() if n == name), name)
        names.of(own)
        path = self._reading.paths.get(name)
        return Reading(names, paths={name: path} if path else {})

    def _taken(self, one: Assertion, at: int, values: Mapping[str, Any]) -> str | None:
        """None, or why an assertion is not carried over."""
        value = _filled(one.value, values)
        name = f"{'not-' if one.negated else ''}{one.kind}"
        plain = f"the assertion {name}"
        match one.kind:
            case kind if kind in PHRASES:
                return self._phrases(one, value, at)
            case kind if kind in COMPARED and not one.negated:
                if kind == "equals" and isinstance(value, dict | list):
                    return self._put("object", value, one, at)
                if value is None:
                    return f"{plain} without a value"
                self._put(COMPARED[kind], value, one, at)
                if one.threshold is not None and kind != "equals":
                    self._unknown[f"the threshold of {name}: the score counts as it is"].append(
                        one.where
                    )
            case "regex":
                return self._regex(one, value, at)
            case "starts-with" if isinstance(value, str) and not one.negated:
                self._alike(
                    {"regex": {"pattern": rf"\A\s*{re.escape(value)}", "name": "start"}}, one, at
                )
            case ("is-json" | "contains-json") as kind if not one.negated:
                schema = value if isinstance(value, dict) else {}
                parse = {"parse": "text"} if kind == "is-json" else {}
                self._alike({"json_schema": {"schema": schema, **parse}}, one, at)
            case "word-count" if not one.negated and value is not None:
                limits = value if isinstance(value, dict) else {"min": value, "max": value}
                kept = {k: v for k, v in limits.items() if k in ("min", "max")}
                self._alike({"length": {"unit": "words", **kept}}, one, at)
            case kind if kind in JUDGED and not one.negated and isinstance(value, str):
                self._put("criterion", value, one, at)
            case kind if kind in FACTS and not one.negated and isinstance(value, str):
                self._put("fact", value, one, at)
            case "cost" if one.threshold is not None:
                self._limit("cost_per_1k_calls", one.threshold * 1000)
            case "latency" if one.threshold is not None:
                self._limit("latency", one.threshold / 1000)
            case _:
                return plain
        return None

    def _limit(self, name: str, value: float) -> None:
        self._limits[name] = max(value, self._limits.get(name, value))

    def _put(self, name: str, value: Any, one: Assertion, at: int) -> str | None:
        column = self._columns[name]
        if at in column.values and column.values[at] != value:
            return f"a second assertion {one.kind} of one test"
        column.values[at] = value
        column.took(one)
        return None

    def _phrases(self, one: Assertion, value: Any, at: int) -> str | None:
        listed = value if isinstance(value, list) else [value]
        if one.kind.endswith(("any", "all")) and isinstance(value, str):
            listed = [part.strip() for part in value.split(",") if part.strip()]
        phrases = [str(part) for part in listed if part not in (None, "")]
        if not phrases:
            return f"the assertion {one.kind} without a value"
        enough = PHRASES[one.kind]
        if one.negated and not enough and len(phrases) > 1:
            return f"the assertion not-{one.kind}"
        kind = "banned" if one.negated else "required"
        name = kind if one.kind.startswith("i") else f"{kind}_case"
        column = self._columns[name]
        added: list[Any] = [phrases] if enough and not one.negated else phrases
        column.values[at] = [*column.values.get(at, []), *added]
        column.took(one)
        return None

    def _regex(self, one: Assertion, value: Any, at: int) -> str | None:
        if not isinstance(value, str):
            return "the assertion regex without a value"
        try:
            re.compile(value)
        except re.error as error:
            return f"a regular expression that Python does not read ({error})"
        pattern = rf"(?s)\A(?!.*(?:{value}))" if one.negated else value
        self._alike({"regex": {"pattern": pattern}}, one, at)
        return None

    def _alike(self, scorer: dict[str, Any], one: Assertion, at: int) -> None:
        column = self._same[json.dumps(scorer, sort_keys=True)]
        column.values[at] = True
        column.took(one)

    def scored(self) -> Scored:
        self._complete()
        count = len(self._rows)
        scorers: list[tuple[dict[str, Any], float]] = []
        kept: list[str] = []
        labels: str | None = None
        for name, column in self._columns.items():
            field_name = _free(name, self._reading.names.known)
            for at, row in enumerate(self._rows):
                if name.startswith(("required", "banned")):
                    row[field_name] = column.values.get(at, [])
                elif at in column.values:
                    row[field_name] = column.values[at]
            weight = sum(column.weights) / len(column.weights)
            scorers.append((self._scorer(name, field_name, column), weight))
            ((scorer, spec),) = scorers[-1][0].items()
            kept.append(_counted(column, str(spec.get("name", scorer))))
            if name == "expected":
                values = [str(row[field_name]) for row in self._rows]
                labels = field_name if len(set(values)) * 3 <= count else None
        for spelled, column in self._same.items():
            if len(column.values) < count:
                only = f"the assertion {column.said}, which only some tests have"
                self._unknown[only] += column.places
                continue
            scorers.append((json.loads(spelled), sum(column.weights) / len(column.weights)))
            kept.append(_counted(column, next(iter(scorers[-1][0]))))
        _tell(self._unknown, self._lost)
        named = _named(scorers)
        limits = {name: f"<= {value:g}" for name, value in self._limits.items()}
        kept += [f"the limit {name} {value}" for name, value in limits.items()]
        if self._rows:
            kept.insert(0, f"{len(self._rows)} tests: rows")
        return Scored(
            tuple(self._rows), tuple(s for s, _ in named), _goal(named), limits, labels, tuple(kept)
        )

    def _complete(self) -> None:
        """Every row needs what a scorer compares with: what few tests have is left out, and rows
        that lack what most have."""
        for name in [n for n in self._columns if not n.startswith(("required", "banned"))]:
            column, count = self._columns[name], len(self._rows)
            if len(column.values) == count:
                continue
            if len(column.values) * 2 < count:
                only = f"the assertion {column.said}, which only some tests have"
                self._unknown[only] += column.places
                del self._columns[name]
                continue
            gone = [at for at in range(count) if at not in column.values]
            self._unknown[f"a test without the assertion {column.said}, which most have"] += [
                self._places[at] for at in gone
            ]
            self._drop(set(gone))

    def _drop(self, gone: Collection[int]) -> None:
        kept = [at for at in range(len(self._rows)) if at not in gone]
        self._rows = [self._rows[at] for at in kept]
        self._places = [self._places[at] for at in kept]
        for column in (*self._columns.values(), *self._same.values()):
            column.values = {
                new: column.values[old] for new, old in enumerate(kept) if old in column.values
            }

    def _scorer(self, name: str, field_name: str, column: _Column) -> dict[str, Any]:
        shown = [*self._reading.names.known]
        values = list(column.values.values())
        same = all(value == values[0] for value in values)
        every = same and len(values) == len(self._rows)
        match name:
            case "expected":
                if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
                    for row in self._rows:
                        row[field_name] = _text(row[field_name])
                return {"exact_match": {"target": field_name}}
            case "object":
                return {"json_match": {"target": field_name}}
            case "reference":
                return {"similarity": {"target": field_name}}
            case "summary":
                return {"rouge": {"target": field_name, "kind": "rouge1"}}
            case "criterion" if every:
                for row in self._rows:
                    del row[field_name]
                return {"judge": {"name": "rubric", "rubric": _plain(values[0])}}
            case "criterion":
                rubric = "The answer meets the criterion of the row."
                return {
                    "judge": {"name": "rubric", "rubric": rubric, "question": [*shown, field_name]}
                }
            case "fact":
                rubric = "The answer agrees with the reference in all facts that both state."
                return {"judge": {"name": "facts", "rubric": rubric, "reference": field_name}}
            case _:
                kind = name.removesuffix("_case")
                phrases: Any = field_name
                if every:
                    phrases = values[0]
                    for row in self._rows:
                        del row[field_name]
                return {
                    kind: {
                        "phrases": phrases,
                        "whole_words": False,
                        **({"case": True} if name != kind else {}),
                        **({"name": name} if name != kind else {}),
                    }
                }


def _counted(column: _Column, scorer: str) -> str:
    count = len(column.places)
    return f"{count} assertion{'s' * (count > 1)} ({column.said}): the scorer {scorer}"


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _plain(text: str) -> str:
    """A rubric fills nothing in."""
    return text.replace("{{", "{ {").replace("}}", "} }")


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name = f"{name}_"
    return name


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """An assertion's value for a row: variables in it are filled in."""
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\s*\{\{\s*(\w+)\s*\}\}\s*", value)
    if whole and whole[1] in values:
        return values[whole[1]]

    def of(match: re.Match[str]) -> str:
        return str(values[match[1]]) if match[1] in values else match[0]

    return re.sub(r"\{\{\s*(\w+)\s*\}\}", of, value)


def _named(scorers: list[tuple[dict[str, Any], float]]) -> list[tuple[dict[str, Any], float]]:
    """Each under a name of its own."""
    taken: set[str] = set()
    found: list[tuple[dict[str, Any], float]] = []
    for scorer, weight in scorers:
        ((kind, spec),) = scorer.items()
        name = usual = str(spec.get("name", kind))
        number = 2
        while name in taken:
            name = f"{usual}_{number}"
            number += 1
        taken.add(name)
        found.append(({kind: {**spec, **({"name": name} if name != kind else {})}}, weight))
    return found


def _goal(scorers: list[tuple[dict[str, Any], float]]) -> str | None:
    if len(scorers) < 2:
        return None
    total = sum(weight for _, weight in scorers) or 1.0
    parts = [
        f"{round(weight / total, 4):g}*{spec.get('name', kind)}"
        for scorer, weight in scorers
        for kind, spec in scorer.items()
        if weight
    ]
    return f"maximize {' + '.join(parts)}" if parts else None


def _tell(unknown: Mapping[str, list[str | None]], lost: list[Lost]) -> None:
    """What many tests have is said once, with the first places."""
    for what, places in unknown.items():
        known = list(dict.fromkeys(place for place in places if place))
        more = (
            f" (and {len(places) - 1} more: {', '.join(known[1:MOST_SAID])})"
            if len(places) > 1
            else ""
        )
        lost.append(Lost(f"{what}{more}", known[0] if known else None))
