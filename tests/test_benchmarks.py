"""The benches of the search: recorded tables, simulated worlds, the baselines, the two scripts."""

import gzip
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import replay  # noqa: E402
from defects import WITH, WITHOUT, judged, space_of  # noqa: E402
from lab import factorial, recorded  # noqa: E402
from lab.drafts import DEFECTS, GOOD  # noqa: E402
from lab.measure import Row, measure  # noqa: E402
from lab.report import readings, report  # noqa: E402
from lab.schemes import BASELINES, BUDGETED, SCHEMES  # noqa: E402
from lab.worlds import Codes, World, shuffled, size  # noqa: E402
from promptlathe.errors import InputError  # noqa: E402

DEMO = "\n\nInput:\nTwo and two?\nOutput:\nIt is\n\nfour.\n<answer>4</answer>"
OTHER = "\n\nInput:\nOne and two?\nOutput:\n3"
CUE = "\n\nInput:"
CANDIDATES, EXAMPLES = 6, 20


def write_table(folder: Path, *, name: str = "sums_small", complete: int = CANDIDATES) -> Path:
    """A folder with one table, whose last row is incomplete."""
    prompts = [f"Add them up, way {i // 2}.{DEMO * (i % 2)}{CUE}" for i in range(CANDIDATES + 1)]
    outcomes = np.random.default_rng(3).integers(0, 2, (CANDIDATES + 1, EXAMPLES)).astype(np.uint8)
    outcomes[2, :18] = 1  # a best one
    outcomes[complete:, 5] = 255
    ids = np.arange(CANDIDATES + 1, dtype=np.int32)
    np.savez(folder / f"{name}.npz", outcomes=outcomes, prompt_id=ids)
    with gzip.open(folder / "prompts.json.gz", "wt", encoding="utf-8") as file:
        json.dump(prompts, file)
    return folder


def script(name: str, *options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / name), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def table_of(prompts: Sequence[str], name: str = "t") -> recorded.Recorded:
    return recorded.Recorded(name, np.eye(len(prompts), 4, dtype=np.uint8), prompts)


@pytest.mark.parametrize(
    ("prompt", "instruction", "demos"),
    [
        (f"Add.{CUE}", "Add.", 0),
        ("Add.", "Add.", 0),
        (f"Add.{DEMO}{OTHER}{CUE}", "Add.", 2),
        (f"Add.{DEMO}", "Add.", 1),
        (f"Add.\n\nInput: a sum.\n\nBe brief.{DEMO}{CUE}", "Add.\n\nInput: a sum.\n\nBe brief.", 1),
        (DEMO.lstrip() + CUE, "", 1),
        ("", "", 0),
    ],
)
def test_parts_of_a_prompt(prompt: str, instruction: str, demos: int):
    found = recorded.parse(prompt)
    assert found[0] == instruction
    assert len(found[1]) == demos
    assert all(demo.startswith("Input:\n") and demo.strip() in prompt for demo in found[1])


def test_components_of_recorded_prompts():
    world = table_of([f"A{CUE}", f"A{DEMO}{CUE}", f"B{OTHER}{DEMO}{CUE}", f"B{DEMO}{OTHER}{CUE}"])
    kinds = [(c.name, c.kind, len(c.levels)) for c in world.components]
    assert kinds == [("instruction", "text", 2), ("count", "number", 3), ("demos", "rows", 4)]
    instruction, count, demos = (c.levels for c in world.components)
    first, last = world.pool[0], world.pool[3]
    assert (instruction[first[0]], count[first[1]], demos[first[2]]) == ("A", 0, ())
    assert demos[last[2]] == (DEMO.strip(), OTHER.strip())


def test_the_same_text_twice_is_two_candidates():
    world = table_of(["A", "B", "A", "A"])
    assert [c.name for c in world.components] == ["instruction", "count", "demos", "copy"]
    assert len(set(world.pool)) == 4
    assert [world.outcome(codes, i) for i, codes in enumerate(world.pool)] == [1, 1, 1, 1]


@pytest.mark.parametrize("kind", factorial.KINDS)
def test_the_best_of_a_simulated_world_is_the_best(kind: factorial.Kind):
    world = factorial.simulate(kind, "100x50", 1)
    qualities = {codes: world.quality(codes) for codes in shuffled(world, np.random.default_rng(0))}
    assert len(qualities) == size(world) == 100
    assert max(qualities.values()) == pytest.approx(world.best, abs=1e-12)
    spread = max(qualities.values()) - min(qualities.values())
    assert spread == 0 if kind == "null" else spread > 0.1
    assert (min(qualities.values()) < 1e-6) == (kind == "broken")


@pytest.mark.parametrize("kind", factorial.KINDS)
def test_answers_of_a_simulated_world(kind: factorial.Kind):
    worlds = [factorial.simulate(kind, "720x200", seed) for seed in (5, 5, 6)]
    codes = list(shuffled(worlds[0], np.random.default_rng(1)))[:60]
    cells = [(c, i) for c in codes for i in range(200)]
    first, again, other = (
        np.array([world.outcome(*cell) for cell in order])
        for world, order in zip(worlds, (cells, cells[::-1], cells), strict=True)
    )
    assert (first == again[::-1]).all()
    assert (first != other).any()
    assert first.mean() == pytest.approx(np.mean([worlds[0].quality(c) for c in codes]), abs=0.015)
    repeated = np.array([worlds[0].outcome(*cell, 1) for cell in cells])
    assert (repeated != first).any() == (kind == "noisy")
    assert (np.isin(first, (0, 1)).all()) == (kind != "fractional")


class Watched:
    """A world that notes what is bought, and refuses to sell a cell twice."""

    def __init__(self, world: World) -> None:
        self.name, self.components, self.pool = world.name, world.components, world.pool
        self.examples, self.best, self.quality = world.examples, world.best, world.quality
        self._world, self.bought = world, set[tuple[Codes, int]]()

    def outcome(self, codes: Codes, example: int, repeat: int = 0) -> float:
        assert (codes, example) not in self.bought
        assert type(example) is int
        self.bought.add((codes, example))
        return self._world.outcome(codes, example, repeat)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> recorded.Recorded:
    folder = write_table(tmp_path_factory.mktemp("recorded"))
    world = recorded.load(folder / "sums_small.npz", recorded.load_prompts(folder))
    assert world is not None
    return world


@pytest.mark.parametrize("policy", SCHEMES)
@pytest.mark.parametrize("pool", [True, False])
def test_a_scheme_keeps_the_contract(policy: str, pool: bool, table: recorded.Recorded):
    world = table if pool else factorial.simulate("additive", "100x50", 2)
    for calls in (1, 7, 130):
        watched = Watched(world)
        rows = measure(policy, watched, seed=4, calls=[calls])
        assert len(watched.bought) <= calls
        assert [row["calls"] for row in rows] == [calls]
        assert all(row["regret"] >= 0 for row in rows)
        assert rows == measure(policy, world, seed=4, calls=[calls])


def test_hyperband_repeats_itself_over_many_candidates():
    world = factorial.simulate("additive", "100x50", 2)
    calls = list(range(100, 900, 100))
    first = measure("hyperband", world, seed=1, calls=calls)
    assert len({row["regret"] for row in first}) > 1
    assert first == measure("hyperband", world, seed=1, calls=calls)


@pytest.mark.parametrize("policy", SCHEMES)
def test_a_scheme_recommends_before_the_first_answer(policy: str, table: recorded.Recorded):
    scheme = SCHEMES[policy](table, 0, 50)
    assert scheme.recommend() in table.pool


def test_replay_runs_every_baseline(tmp_path: Path):
    everything = CANDIDATES * EXAMPLES
    out = tmp_path / "rows.json"
    options = ("--data", write_table(tmp_path), "--calls", f"10,60,{everything}", "--seeds", 2)
    done = script("replay.py", *options, "--policy", ",".join(sorted(BASELINES)), "--json", out)
    assert done.returncode == 0, done.stderr
    rows: list[Row] = json.loads(out.read_text())
    assert len(rows) == len(BASELINES) * 2 * 3
    assert all(set(row) == {"policy", "table", "seed", "calls", "regret"} for row in rows)
    assert {row["table"] for row in rows} == {"sums_small"}
    assert all(0 <= row["regret"] <= 100 for row in rows)
    last = {(r["policy"], r["seed"]): r["regret"] for r in rows if r["calls"] == everything}
    # These buy every cell in the end; the others drop candidates for good.
    for policy in ("random", "halving", "ucb", "tpe"):
        assert [last[policy, seed] for seed in range(2)] == [0, 0]
    assert all(policy in done.stdout for policy in BASELINES)


def test_simulated_runs_several_processes(tmp_path: Path):
    out = tmp_path / "rows.json"
    options = ("--policy", "random,halving", "--kinds", "null,broken", "--size", "100x50")
    done = script("simulated.py", *options, "--calls", "50,100", "--seeds", 1, "--json", out)
    assert done.returncode == 0, done.stderr
    rows: list[Row] = json.loads(out.read_text())
    assert {row["table"] for row in rows} == {"null-100x50", "broken-100x50"}
    assert all(row["regret"] == 0 for row in rows if row["table"].startswith("null"))
    assert any(row["regret"] > 0 for row in rows)


def test_tables_without_a_choice_are_skipped(tmp_path: Path):
    write_table(tmp_path, name="poor", complete=1)
    options = ("--policy", "random", "--calls", 5, "--seeds", 1, "--jobs", 1)
    alone = script("replay.py", "--data", tmp_path, *options)
    assert alone.returncode == 2
    assert "poor.npz: skipped" in alone.stderr
    assert "no table has two complete rows" in alone.stderr
    assert "Traceback" not in alone.stderr
    write_table(tmp_path, name="rich")
    assert [path.stem for path in replay.usable(tmp_path)] == ["rich"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "{}/missing"], "no such folder"),
        (["--data", "{}", "--policy", "halfing"], "did you mean 'halving'"),
        (["--data", "{}", "--calls", "many"], "not a list of calls"),
        (["--data", "{}", "--seeds", "0"], "not positive"),
        (["--data", "{}", "--json", "{}/missing/rows.json"], "no such folder"),
    ],
)
def test_bad_options_of_replay(tmp_path: Path, options: list[str], message: str):
    write_table(tmp_path)
    with pytest.raises(InputError) as caught:
        replay.bench([option.format(tmp_path) for option in options])
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def damaged(folder: Path, **arrays: np.ndarray) -> recorded.Recorded | None:
    path = folder / "damaged.npz"
    np.savez(path, **arrays)
    return recorded.load(path, ["A", "B"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"outcomes": np.zeros((2, 3), np.uint8)}, "prompt_id"),
        ({"outcomes": np.zeros((2, 3)), "prompt_id": np.arange(2)}, "float64"),
        ({"outcomes": np.zeros(3, np.uint8), "prompt_id": np.arange(2)}, "shape"),
        ({"outcomes": np.full((2, 3), 7, np.uint8), "prompt_id": np.arange(2)}, "other values"),
        ({"outcomes": np.zeros((2, 3), np.uint8), "prompt_id": np.arange(3)}, "one integer"),
        ({"outcomes": np.zeros((2, 3), np.uint8), "prompt_id": np.array([0, 2])}, "outside"),
    ],
)
def test_malformed_tables(tmp_path: Path, arrays: dict[str, np.ndarray], message: str):
    with pytest.raises(InputError, match=message):
        damaged(tmp_path, **arrays)


def test_a_table_that_is_no_table_is_one_message(tmp_path: Path):
    write_table(tmp_path)
    (tmp_path / "broken.npz").write_text("not a zip file")
    done = script("replay.py", "--data", tmp_path, "--policy", "random")
    assert done.returncode == 2
    assert "broken.npz: not a table" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_compares_with_the_best_baseline():
    regrets = {"random": (8, 4), "halving": (4, 2), "ours": (2, 1)}
    rows = [
        Row(policy=policy, table=table, seed=seed, calls=calls, regret=float(regret + seed))
        for policy, pair in regrets.items()
        for table in ("a", "b", "null-c")
        for seed in (0, 1)
        for calls, regret in zip((100, 400), pair, strict=True)
    ]
    found = readings([row for row in rows if row["table"] != "null-c"])
    assert found.rivals == ["halving", "halving"]
    assert found.means["ours"] == pytest.approx([2.5, 1.5])
    text = report(rows)
    assert "mean of 2 tables x 2 seeds" in text
    ours = [line.split() for line in text.splitlines() if line.startswith("ours")]
    assert ours[0][1] == "2.50"
    assert ours[1][1:] == ["100", "100%", "<=", "100"]
    assert (ours[2][1], ours[2][4]) == ("0.56", "0.60")
    halving = [line.split() for line in text.splitlines() if line.startswith("halving")]
    # Regrets of 4 and 5 at 100 calls, 2 and 3 at 400: the mean falls from 4.5 to 2.5, and has
    # done three quarters of it, on the log scale of calls, at 100 x 4 ** 0.75.
    assert halving[1][1:3] == ["400", "100%"]
    assert halving[1][3] == "283"


def test_budgeted_schemes_are_schemes():
    assert SCHEMES.keys() >= BUDGETED
    assert SCHEMES.keys() >= BASELINES


def test_twelve_defects_of_good_drafts():
    assert len({(one.task, one.name) for one in DEFECTS}) >= 12
    for one in DEFECTS:
        assert set(one.draft) == set(GOOD[one.task])
        assert one.draft != GOOD[one.task]
        assert space_of(one.task, one.draft).rewritable.keys() == one.draft.keys()


def test_a_defect_is_judged_over_its_seeds():
    def run(defect: str, operators: str, final: float) -> dict[str, Any]:
        return {
            "task": "triage",
            "defect": defect,
            "operators": operators,
            "draft": 0.3 if not defect else 0.1,
            "final": final,
        }

    found = [run("", WITHOUT, 0.4), run("d", WITH, 0.2), run("d", WITH, 0.36), run("e", WITH, 0.25)]
    d, e = judged(found)
    assert d["final"] == pytest.approx(0.28)
    assert d["recovered"]
    assert not d["beside_search"]
    assert d["runs_recovered"] == 1
    assert not e["recovered"]


@pytest.mark.slow
def test_defects_writes_what_was_recovered(tmp_path: Path):
    out = tmp_path / "out.json"
    options = ("--calls", 250, "--seeds", 1, "--data", tmp_path, "--json", out)
    done = script("defects.py", *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text("utf-8"))
    assert told["total"] == len(told["rows"]) == len(told["others"]) == 6
    assert told["recovered"] == sum(row["recovered"] for row in told["rows"])
    assert all(run["levels"] for row in told["rows"] for run in row["runs"])
    assert not any(run["levels"] for row in told["others"] for run in row["runs"])
    assert all(row["final"] >= row["draft"] for row in told["rows"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("kills.py", ("--kills", 1, "--calls", 120, "--concurrency", 4), "paid again"),
        ("faults.py", ("--calls", 120, "--concurrency", 8, "--repeats", 1), "of it"),
        ("soak.py", ("--minutes", 0, "--calls", 120, "--concurrency", 4), "1 jobs, "),
    ],
)
def test_a_bench_of_reliability_runs(name: str, options: tuple[object, ...], said: str) -> None:
    done = script(name, *options)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
