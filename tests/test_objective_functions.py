"""Scorers of one's own: loaded by path, guarded, and explained when they fail."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.outcomes import NoCalls

from promptlathe.errors import InputError
from promptlathe.records import Example, Trace
from promptlathe.scoring import Objective, function
from promptlathe.scoring.loading import load_function
from promptlathe.scoring.scorer import Scorer, Surroundings, Unscored


@pytest.fixture
def metric(tmp_path: Path):
    def write(body: str, name: str = "metric.py") -> Path:
        (tmp_path / name).write_text(dedent(body))
        return tmp_path

    return write


def score(scorer: Scorer, folder: Path, answer: str = " text ") -> Any:
    measure = scorer.measure(Surroundings(lambda _: (), folder))
    return measure(Example("e7", {"n": 2}, "select"), Trace(answer), NoCalls())


def said(path: str, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        score(function(path), folder)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("0.5", 0.5),
        ("3", 3.0),
        ("True", 1.0),
        ("row['n'] + len(answer)", 6.0),
        ("{'a': 1, 'b': False}", {"a": 1.0, "b": 0.0}),
        ("__import__('numpy').float32(0.25)", 0.25),
        ("None", None),
    ],
)
def test_what_a_function_may_give(metric: Any, result: str, expected: Any):
    folder = metric(f"def f(row, answer):\n    return {result}\n")
    reading = score(function("metric.py:f"), folder)
    assert reading.value == expected
    assert reading.parsed == (None if expected is None else "text")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("float('nan')", "gave nan: return a finite number"),
        ("float('inf')", "gave inf"),
        ("'good'", "gave 'good'"),
        ("{'a b': 1}", "gave a score the name 'a b'"),
        ("{'a': None}", "gave None"),
        ("('good', 'why')", "gave 'good'"),
        ("(1, 2, 3)", "gave (1, 2, 3)"),
    ],
)
def test_what_a_function_may_not_give(metric: Any, result: str, words: str):
    folder = metric(f"def f(row, answer):\n    return {result}\n")
    with pytest.raises(Unscored) as caught:
        score(function("metric.py:f"), folder)
    assert words in str(caught.value)


def test_a_function_cannot_change_the_row(metric: Any):
    folder = metric("def f(row, answer):\n    row['n'] += 1\n    return row['n']\n")
    measure = function("metric.py:f").measure(Surroundings(lambda _: (), folder))
    example = Example("e", {"n": 2}, "select")
    assert [measure(example, Trace("x"), NoCalls()).value for _ in range(2)] == [3, 3]


def test_files_and_functions_that_are_not_there(metric: Any):
    folder = metric(
        "import math\nfrom json import loads\nSIZE = 3\ndef brevity(row, answer): ...\n"
    )
    assert "nowhere.py: there is no such file" in said("nowhere.py:f", folder)
    message = said("metric.py:brevty", folder)
    assert "metric.py: has no function 'brevty'; did you mean 'brevity'?" in message
    assert message.endswith("its functions: brevity")
    assert "'SIZE' is not a function" in said("metric.py:SIZE", folder)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("x = 1\ndef f(:\n", "metric.py:2: is not Python"),
        ("x = 1\nimport nonesuch\n", "metric.py:2: does not load: ModuleNotFoundError"),
        ("def g():\n    return 1 / 0\nx = 1\ng()\n", "metric.py:2: does not load: ZeroDivision"),
    ],
)
def test_files_that_do_not_load(metric: Any, body: str, words: str):
    assert words in said("metric.py:f", metric(body))


def test_dataclasses_work_in_a_metric_file(metric: Any):
    folder = metric(
        """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Grade:
            points: float

        def f(row, answer):
            return Grade(0.5).points
        """
    )
    assert score(function("metric.py:f"), folder).value == 0.5


def test_a_changed_file_is_loaded_again(metric: Any):
    folder = metric("def f(row, answer):\n    return 0\n")
    around = Surroundings(lambda _: (), folder)
    before = function("metric.py:f").fingerprint(around)
    assert load_function("metric.py:f", folder)({}, "") == 0
    metric("def f(row, answer):\n    return 1\n")
    assert load_function("metric.py:f", folder)({}, "") == 1
    assert function("metric.py:f").fingerprint(around) != before


def test_the_path_is_relative_to_the_objective(metric: Any):
    folder = metric("def f(row, answer):\n    return 1\n")
    (folder / "objective.yaml").write_text("dataset: d.jsonl\nscorers: [metric.py:f]\n")
    (folder / "d.jsonl").write_text("\n".join(f'{{"a": {n}}}' for n in range(10)))
    objective = Objective.load(folder / "objective.yaml")
    objective.check()
    metric("def g(row, answer):\n    return 1\n")
    with pytest.raises(InputError, match="has no function 'f'"):
        Objective.load(folder / "objective.yaml").check()


def test_a_python_function_scores_but_has_no_yaml():
    def brevity(row: dict[str, Any], answer: str) -> float:
        return row["n"] / len(answer)

    objective = Objective([{"n": 1}], scorer=brevity)
    assert objective.scorers[0].name == "brevity"
    assert score(objective.scorers[0], Path(), "four").value == 0.5
    with pytest.raises(InputError, match="a Python function, which YAML cannot hold"):
        objective.to_yaml()
