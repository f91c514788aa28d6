"""Code that passes tests: the share of the row's tests that hold."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

from pydantic import Field

from promptlathe.errors import InputError
from promptlathe.records import Example, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.builtin.fences import python_code
from promptlathe.scoring.builtin.sandbox import GRACE, run_tests
from promptlathe.scoring.scorer import UNREAD, Measure, Name, Need, Scorer, Surroundings

SHOWN = 3
"""Failed tests that a reason names."""


class Tests(Scorer):
    """Runs the answer's Python and then each test of the row's `field`: a list of pieces of Python,
    such as `assert add(1, 2) == 3`, or one text.

    timeout: seconds for all tests of a row. memory: megabytes of address space. What is fenced in,
    and what is not: see `sandbox_main`.
    """

    __test__: ClassVar[bool] = False  # not a test case, whatever pytest thinks of the name
    keyword = "tests"
    shorthand: ClassVar[str] = "field"
    name: Name = "tests"
    field: str
    timeout: float = Field(default=10.0, gt=0, le=600)
    memory: int = Field(default=512, ge=64, strict=True)

    @property
    def needs(self) -> Mapping[str, Need]:
        return {self.field: _no_tests}

    @property
    def reading(self) -> str:
        return "The last fenced block of Python in the output is run, and then tests of it."

    @property
    def asks(self) -> tuple[str, ...]:
        return ("Answer with one fenced block of Python code and nothing else.",)

    def aside(self, around: Surroundings) -> float | None:
        del around
        return self.timeout + 2 * GRACE

    def measure(self, around: Surroundings) -> Measure:
        del around
        if find_spec("resource") is None:
            raise InputError(
                "the scorer tests needs Linux or macOS: nothing else limits a process", self.name
            )

        def score(example: Example, trace: Trace, ctx: Context) -> Score:
            del ctx
            code = python_code(trace.text)
            if code is None:
                return UNREAD
            given = example.row[self.field]
            tests = [given] if isinstance(given, str) else list(given)
            done = run_tests(code, tests, seconds=self.timeout, memory=self.memory)
            failed = [
                f"{_short(test)}: {why}"
                for test, why in zip(tests, done, strict=True)
                if why is not None
            ]
            value = 1 - len(failed) / len(tests)
            if not failed:
                return Score(value, code)
            passed = len(tests) - len(failed)
            more = "; …" if len(failed) > SHOWN else ""
            said = f"{passed} of {len(tests)} tests passed. " + "; ".join(failed[:SHOWN]) + more
            return Score(value, code, said)

        return score


def tests(
    field: str,
    *,
    timeout: float = 10.0,  # noqa: PT028 - a factory, no test
    memory: int = 512,  # noqa: PT028
    name: str = "tests",  # noqa: PT028
) -> Tests:
    """The share of the row's tests that hold after the answer's Python has run."""
    return Tests(field=field, timeout=timeout, memory=memory, name=name)


tests.__test__ = False  # type: ignore[attr-defined]


def _short(test: str, most: int = 160) -> str:
    line = " ".join(test.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _no_tests(value: Any) -> str | None:
    some = [value] if isinstance(value, str) else value
    if not isinstance(some, list) or not some:
        return "is no list of tests"
    for test in some:
        if not (isinstance(test, str) and test.strip()):
            return "is no list of tests"
        try:
            compile(test, "<test>", "exec")
        except (SyntaxError, ValueError) as error:
            return f"holds a test that is not Python ({error})"
    return None
