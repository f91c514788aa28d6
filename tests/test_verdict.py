"""benchmarks/verdict.py: whether a variant is better, and when there is no saying."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import verdict  # noqa: E402
from promptlathe.errors import InputError  # noqa: E402

TABLES = ("a", "b", "c", "d")


def written(
    path: Path, factor: float = 1.0, *, first: int = 0, seeds: int = 8, policy: str = "lathe"
) -> str:
    """Regret about 4 at 100 calls and 2 at 200, times the factor."""
    rng = np.random.default_rng(first)
    rows = [
        {
            "policy": policy,
            "table": table,
            "seed": seed,
            "calls": calls,
            "regret": factor * 400 / calls * float(rng.uniform(0.8, 1.2)),
        }
        for table in TABLES
        for seed in range(first, first + seeds)
        for calls in (100, 200)
    ]
    path.write_text(json.dumps(rows))
    return str(path)


@pytest.mark.parametrize(
    ("factors", "said", "code"),
    [
        ((0.6, 0.6), "better", 0),
        ((1.0, 1.0), "no difference shown", 0),
        ((0.6, 1.0), "no difference shown", 0),
        ((1.0, 1.6), "worse", 1),
    ],
)
def test_better_is_what_is_better_twice(
    factors: tuple[float, float],
    said: str,
    code: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base = [written(tmp_path / f"base{n}.json", first=100 * n) for n in range(2)]
    variant = [
        written(tmp_path / f"new{n}.json", factor, first=100 * n)
        for n, factor in enumerate(factors)
    ]
    found = verdict.bench([base[0], variant[0], "--again", base[1], variant[1]])
    assert found == code
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [line.strip() for line in last] == [f"100  {said}", f"200  {said}"]


def test_no_verdict_without_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, variant = written(tmp_path / "base.json"), written(tmp_path / "new.json", 0.5)
    assert verdict.bench([base, variant]) == 0
    assert "run both on other seeds" in capsys.readouterr().out
    again = [written(tmp_path / f"{f}.json", f, first=50, seeds=3) for f in (1.0, 0.5)]
    assert verdict.bench([base, variant, "--again", *again]) == 0
    assert "fewer than 7 seeds" in capsys.readouterr().out


def test_another_policy_of_the_file_may_be_the_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    rows = json.loads(Path(written(tmp_path / "a.json", policy="lathe:cold")).read_text())
    rows += json.loads(Path(written(tmp_path / "b.json", 0.5)).read_text())
    out.write_text(json.dumps(rows))
    verdict.bench([f"{out}:lathe:cold", str(out), "--tuned", "half"])
    shown = capsys.readouterr().out
    assert "constants were chosen on these tables" in shown
    assert "2 tables, seeds 0 to 7" in shown
    assert "0.50  [0.5" in shown


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 7}, "other seeds than"),
        ({"policy": "halving"}, "no rows of the policy 'lathe'"),
    ],
)
def test_only_the_same_is_compared(change: dict[str, object], message: str, tmp_path: Path) -> None:
    base = written(tmp_path / "base.json")
    variant = written(tmp_path / "new.json", **change)  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        verdict.bench([base, variant])
    assert message in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    base = written(tmp_path / "base.json")
    with pytest.raises(InputError, match="cannot be read"):
        verdict.bench([base, str(tmp_path / "missing.json")])
    with pytest.raises(InputError, match="no table x"):
        verdict.bench([base, base, "--tuned", "x"])
    with pytest.raises(InputError, match="not the same tables and calls with other seeds"):
        verdict.bench([base, base, "--again", base, base])


def test_a_closed_pipe_ends_it_in_silence(tmp_path: Path) -> None:
    base, variant = written(tmp_path / "base.json"), written(tmp_path / "new.json", 0.6)
    command = [sys.executable, str(BENCHMARKS / "verdict.py"), base, variant]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as closed:
        done = subprocess.run(
            command, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_kinds_are_shown_with_all_their_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: each table of a kind has one regret, so that its ratio is that of the sums."""
    regret = {"one-s": (4.0, 1.0), "one-l": (2.0, 2.0), "two_s": (3.0, 6.0)}
    files: list[str] = []
    for first in (0, 10):
        path = tmp_path / f"{first}.json"
        rows = [
            {"policy": policy, "table": table, "seed": seed, "calls": 100, "regret": value}
            for table, values in regret.items()
            for policy, value in zip(("halving", "lathe"), values, strict=True)
            for seed in range(first, first + 7)
        ]
        path.write_text(json.dumps(rows))
        files += [f"{path}:halving", str(path)]
    verdict.bench([*files[:2], "--again", *files[2:], "--kinds"])
    kinds = capsys.readouterr().out.partition("by kind, 14 seeds")[2].splitlines()
    assert kinds[2].split() == ["one", "0.50", "[0.50,", "0.50]"]
    assert kinds[3].split() == ["two", "2.00", "[2.00,", "2.00]"]


def test_other_tables_do_not_repeat_a_finding(tmp_path: Path) -> None:
    base, again = written(tmp_path / "base.json"), tmp_path / "again.json"
    rows = json.loads(Path(written(tmp_path / "more.json", first=50)).read_text())
    again.write_text(json.dumps([row for row in rows if row["table"] != "d"]))
    with pytest.raises(InputError, match="not the same tables and calls with other seeds"):
        verdict.bench([base, base, "--again", str(again), str(again)])
