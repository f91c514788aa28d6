"""promptfoo's tests: rows, and what is asserted about each."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlathe.data.files import read_file
from promptlathe.documents import Document, Loc, read_text
from promptlathe.errors import InputError
from promptlathe.exchange.imports.draft import Lost
from promptlathe.exchange.imports.promptfoo.files import PREFIX, is_program, items, named, part

MOST = 100_000
"""Tests that arrays of variables may make."""
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
_KNOWN = ("vars", "assert", "description", "metadata")


@dataclass(frozen=True)
class Assertion:
    """Of one test."""

    kind: str
    value: Any
    where: str | None
    negated: bool = False
    threshold: float | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Test:
    """One row."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    values: Mapping[str, Any]
    asserts: tuple[Assertion, ...]
    where: str | None


def read_tests(document: Document, lost: list[Lost]) -> list[Test]:
    """All tests of a configuration, defaults filled in, arrays of variables as combinations."""
    usual = Test({}, (), None)
    if document.data.get("defaultTest") is not None:
        defaults = part(document, ("defaultTest",))
        if isinstance(defaults.data, dict):
            usual = _test(defaults, defaults.data, (), lost)
        else:
            lost.append(Lost("a default test that is no mapping", document.where(("defaultTest",))))
    found: list[Test] = []
    given = document.data.get("tests")
    if given is not None:
        for one in _read(document, ("tests",), lost):
            merged = replace(
                one,
                values={**usual.values, **one.values},
                asserts=(*usual.asserts, *one.asserts),
            )
            found += _combined(merged, lost, MOST - len(found))
    return found


def _read(document: Document, loc: Loc, lost: list[Lost]) -> Iterator[Test]:
    given: Any = document.at(*loc).data
    where = document.where(loc)
    if isinstance(given, str):
        yield from _of_files(document, given, loc, lost)
        return
    if isinstance(given, dict) and "path" in given and "vars" not in given:
        lost += [
            Lost(f"the key {key!r} of the tests", document.where((*loc, key)))
            for key in given
            if key != "path"
        ]
        yield from _of_files(document, str(given["path"]), (*loc, "path"), lost)
        return
    if not isinstance(given, list):
        lost.append(Lost("tests that are no list", where))
        return
    for number, one in enumerate(given):
        here = (*loc, number)
        if isinstance(one, str):
            yield from _of_files(document, one, here, lost)
        elif isinstance(one, dict):
            yield _test(document, one, here, lost)
        else:
            lost.append(Lost("a test that is no mapping", document.where(here)))


def _of_files(document: Document, name: str, loc: Loc, lost: list[Lost]) -> Iterator[Test]:
    where = document.where(loc)
    if is_program(name):
        lost.append(Lost(f"tests that a program makes: {name}", where))
        return
    if "://" in name and not name.startswith(PREFIX):
        lost.append(Lost(f"tests from elsewhere: {name}", where))
        return
    for path in named(document, name, loc):
        if path.suffix.lower() in _TABLES:
            for row in read_file(path, where):
                yield _of_row(row.values, row.where, path, lost)
        else:
            inner = part(replace(document, data={"tests": f"{PREFIX}{path.resolve()}"}), ("tests",))
            for place, one in items(inner):
                if isinstance(one, dict):
                    listed = isinstance(inner.data, list)
                    yield _test(inner, one, (place,) if listed else (), lost)
                else:
                    lost.append(Lost("a test that is no mapping", inner.where()))


def _of_row(row: Any, where: str, path: Path, lost: list[Lost]) -> Test:
    """Of a table: columns are variables, but for those that begin with two underscores."""
    if not isinstance(row, dict):
        lost.append(Lost("a test that is no mapping", where))
        return Test({}, (), where)
    if path.suffix.lower() in (".jsonl", ".ndjson") and ("vars" in row or "assert" in row):
        return _test(Document({"test": row}), row, ("test",), lost, where)
    asserts: list[Assertion] = []
    values: dict[str, Any] = {}
    for name, value in row.items():
        if re.fullmatch(r"__expected\d*", name):
            if value not in (None, ""):
                asserts.append(_spelled(str(value), where))
        elif not name.startswith("__"):
            values[name] = value
        elif value not in (None, "") and name not in ("__description", "__metric"):
            lost.append(Lost(f"the column {name}", f"{path}:1"))
    return Test(values, tuple(asserts), where)


def _spelled(text: str, where: str) -> Assertion:
    """`contains: Paris`, `similar(0.8): …`, or a text that is expected as it is."""
    match = re.match(r"(not-)?([a-z][a-z-]*)(?:\(([\d.]+)\))?:\s*(.*)\Z", text, re.DOTALL)
    if text.startswith(("javascript:", "fn:", "eval:", "python:")):
        return Assertion(text.split(":")[0], text, where)
    if match and match[2] == "grade":
        return Assertion("llm-rubric", match[4], where)
    if match and match[2] in LISTED | PLAIN:
        value: Any = match[4]
        if match[2] in LISTED:
            value = [one.strip() for one in value.split(",") if one.strip()]
        limit = float(match[3]) if match[3] else None
        return Assertion(match[2], value, where, bool(match[1]), limit)
    if text in ("is-json", "contains-json"):
        return Assertion(text, None, where)
    return Assertion("equals", text, where)


LISTED = {"contains-any", "contains-all", "icontains-any", "icontains-all"}
PLAIN = {
    "contains",
    "cost",
    "equals",
    "factuality",
    "icontains",
    "is-json",
    "latency",
    "levenshtein",
    "llm-rubric",
    "model-graded-closedqa",
    "regex",
    "rouge-n",
    "similar",
    "starts-with",
}


def _test(
    document: Document, given: dict[str, Any], loc: Loc, lost: list[Lost], where: str | None = None
) -> Test:
    def at(*keys: str | int) -> str | None:
        return where or document.where((*loc, *keys))

    for key, value in given.items():
        if key not in _KNOWN and value not in (None, {}, []):
            lost.append(Lost(f"the key {key!r} of a test", at(key)))
    values: Any = given.get("vars") or {}
    if isinstance(values, str) and values.startswith(PREFIX):
        values = part(document, (*loc, "vars")).data
    if not isinstance(values, dict):
        lost.append(Lost("variables that are no mapping", at("vars")))
        values = {}
    asserts: list[Assertion] = []
    stated: Any = given.get("assert") or []
    for number, one in enumerate(stated if isinstance(stated, list) else [stated]):
        asserts += _assertions(document, one, (*loc, "assert", number), lost, where)
    read = {name: _value(document, value, (*loc, "vars"), lost) for name, value in values.items()}
    return Test(read, tuple(asserts), at())


def _assertions(
    document: Document, one: Any, loc: Loc, lost: list[Lost], where: str | None
) -> Iterator[Assertion]:
    here = where or document.where(loc)
    if not isinstance(one, dict) or not isinstance(one.get("type"), str):
        lost.append(Lost("an assertion without a type", here))
        return
    kind: str = one["type"]
    if kind == "assert-set":
        if one.get("threshold") is not None:
            lost.append(Lost("the threshold of a set of assertions: each counts", here))
        for number, inner in enumerate(one.get("assert") or []):
            yield from _assertions(document, inner, (*loc, "assert", number), lost, where)
        return
    lost += [
        Lost(f"the key {key!r} of an assertion", where or document.where((*loc, key)))
        for key in one
        if key not in ("type", "value", "threshold", "weight", "metric", "provider")
    ]
    value = one.get("value")
    if isinstance(value, str) and value.startswith(PREFIX):
        if is_program(value):
            lost.append(Lost(f"an assertion that a program makes: {value}", here))
            return
        value = _value(document, value, (*loc, "value"), lost, data=True)
    weight = one.get("weight", 1)
    threshold = one.get("threshold")
    yield Assertion(
        kind.removeprefix("not-"),
        value,
        here,
        kind.startswith("not-"),
        threshold if isinstance(threshold, int | float) else None,
        float(weight) if isinstance(weight, int | float) else 1.0,
    )


def _value(
    document: Document, value: Any, loc: Loc, lost: list[Lost], *, data: bool = False
) -> Any:
    """What a file holds that stands for a value."""
    if not (isinstance(value, str) and value.startswith(PREFIX)):
        return value
    if is_program(value):
        lost.append(Lost(f"a value that a program makes: {value}", document.where(loc)))
        return None
    (path,) = named(document, value, loc)[:1]
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        found = part(replace(document, data={"v": f"{PREFIX}{path.resolve()}"}), ("v",)).data
        return found if data else json.dumps(found, ensure_ascii=False)
    try:
        return read_text(path).strip()
    except InputError as error:  # a picture, say
        lost.append(Lost(f"a value that is no text: {path.name} {error.what}", document.where(loc)))
        return None


def _combined(test: Test, lost: list[Lost], most: int) -> list[Test]:
    """Arrays of variables are combinations."""
    many = {name: value for name, value in test.values.items() if isinstance(value, list)}
    if not many:
        return [test]
    count = 1
    for values in many.values():
        count *= len(values)
    if count > most:
        lost.append(Lost(f"a test whose variables make {count:,} combinations", test.where))
        return []
    return [
        replace(test, values={**test.values, **dict(zip(many, chosen, strict=True))})
        for chosen in itertools.product(*many.values())
    ]
