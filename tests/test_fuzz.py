"""A short part of the fuzz campaign (benchmarks/fuzz.py), and cases that once found a fault."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from fuzz import FAULTS, outcome  # noqa: E402
from lab.mutations import mutated  # noqa: E402

SECONDS = 20.0
CASES, PARTS = 120, 4
ONCE_WRONG = (7521, 8217, 8435, 10796, 10868, 11781, 12056, 13205)
"""They took a minute: names of 100,000 letters. Other faults have tests of their own
(test_hostile_files.py)."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.chdir(tmp_path)


def faults(numbers: list[int], folder: Path) -> list[str]:
    found: list[str] = []
    for number in numbers:
        case = mutated(number)
        kind, detail = outcome(case, folder, SECONDS)
        if kind in FAULTS:
            found.append(f"{number} {kind}: {'; '.join(case.done)}\n{detail}")
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_workspaces_end_well(part: int, tmp_path: Path) -> None:
    assert not faults([*range(part, CASES, PARTS)], tmp_path)


def test_what_was_found_once(tmp_path: Path) -> None:
    assert not faults([*ONCE_WRONG], tmp_path)


def test_the_unchanged_workspaces_pass(tmp_path: Path) -> None:
    """So that what is found is the mutation's doing."""
    from lab.mutations import Case, workspaces

    kinds = {
        outcome(Case(0, run, dict(files), ()), tmp_path, SECONDS)[0] for run, files in workspaces()
    }
    assert kinds == {"ok"}
