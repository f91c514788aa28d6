"""The shipped task of code: its solutions pass, and its run file finds the format that is run."""

from collections import Counter
from pathlib import Path

import pytest

from promptlathe.job import Job, run
from promptlathe.records import Example, content_hash
from promptlathe.scoring import Objective
from promptlathe.scoring.builtin.sandbox import run_tests
from promptlathe.starter import starter
from promptlathe.testing.scripted import Arrived, ScriptedServer

OBJECTIVE = Objective.load(starter() / "objectives/python_functions/objective.yaml")
EXAMPLES = [e for split in ("train", "select", "test") for e in OBJECTIVE.examples(split)]
BY_SIGNATURE = {str(e.row["signature"]): e for e in EXAMPLES}
QUICK = ("en-05", "fr-15")


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(e, id=e.id, marks=() if e.id in QUICK else pytest.mark.slow)
        for e in sorted(EXAMPLES, key=lambda e: e.id)
    ],
)
def test_a_solution_passes_and_nothing_passes_without_one(example: Example) -> None:
    tests = example.row["tests"]
    assert run_tests(example.row["solution"], tests, seconds=5, memory=256) == [None] * len(tests)
    assert None not in run_tests("x = 1", tests, seconds=5, memory=256)
    assert example.row["signature"] in example.row["solution"]
    assert len(tests) >= 3


def test_half_of_the_rows_are_french() -> None:
    assert Counter(e.row["lang"] for e in EXAMPLES) == {"en": 24, "fr": 24}
    assert len(BY_SIGNATURE) == 48


def coder(arrived: Arrived) -> str:
    """Writes the function; in a block that can be run when it is asked for one."""
    if "<new>" in arrived.prompt:
        return f"<new>Write the function, take {content_hash(arrived.prompt)}.</new>"
    signature = arrived.prompt.rpartition("Signature: ")[2].splitlines()[0].strip()
    row = BY_SIGNATURE[signature].row
    fails = int(content_hash([signature, "edge" in arrived.prompt]), 16) % 10 < 4
    if not fails and "fenced block" not in arrived.prompt:
        return f"Sure. It goes like this:\n\n{row['solution']}\n\nShall I explain it?"
    return f"```python\n{f'{signature}: return 0' if fails else row['solution']}\n```"


@pytest.mark.slow
def test_the_run_file_finds_what_is_run_and_operators_are_told_which_tests_failed(
    tmp_path: Path,
) -> None:
    file = starter() / "runs/python_functions.yaml"
    with ScriptedServer(coder) as server:
        settings = {
            "model": f"{{name: coder, base_url: '{server.base_url}', retries: 0, max_tokens: 500}}",
            "budget.calls": "170",
            "search.operators": "[rewrite]",
            "track": "false",
        }
        job = Job.load(file, settings=tuple(settings.items()), workspace=tmp_path)
        result = run(job)
    assert result.best.levels["format"] != "draft"
    assert (result.verdict, result.recommended) == ("better", "best")
    asked = "\n".join(a.prompt for a in server.arrived if "<new>" in a.prompt)
    assert "Why, says tests: " in asked
    assert "tests passed. assert " in asked
    shown = [e for e in EXAMPLES if e.split != "train" and str(e.row["task"]) in asked]
    assert shown == []
