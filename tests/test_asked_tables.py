"""Tables that are asked of a model, and searches in them: benchmarks/ask_table.py and soft.py."""

import json
import math
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import ask_table  # noqa: E402
import soft  # noqa: E402
from lab.asked import load  # noqa: E402
from lab.bench import main  # noqa: E402
from promptlathe.errors import InputError  # noqa: E402
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer  # noqa: E402

TEAMS = ("billing", "how_to")


def sure(arrived: Arrived) -> Reply:
    """One of two teams, three times as likely as the other."""
    first = len(arrived.prompt) % 2
    top = [
        {"token": TEAMS[place], "logprob": math.log(chance)}
        for place, chance in ((first, 0.75), (1 - first, 0.25))
    ]
    logprobs = {"content": [{**top[0], "top_logprobs": top}]}
    choice = {"message": {"content": TEAMS[first]}, "finish_reason": "stop", "logprobs": logprobs}
    return Reply(body=json.dumps({"choices": [choice]}))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tables") / "support_triage.json"
    with ScriptedServer(sure) as server:
        given = ["--server", server.base_url, "--task", "support_triage", "--out", str(out)]
        ask_table.bench([*given, "--prompts", "4", "--rows", "30"])
        assert len(server.arrived) == 4 * 30
    return out


def test_a_table_has_every_cell_and_what_the_model_thought(table: Path) -> None:
    world = load(table)
    assert (len(world.pool), world.examples) == (4, 30)
    assert len(set(world.pool)) == 4
    assert {one.kind for one in world.components} >= {"text", "number", "rows"}
    cells = [(c, e) for c in world.pool for e in range(world.examples)]
    softs = {(world.outcome(*cell), world.soft(*cell)) for cell in cells}
    assert softs == {(1.0, 0.75), (0.0, 0.25), (0.0, 0.0)}
    assert world.best == max(map(world.quality, world.pool))


def test_a_search_with_the_chances_and_one_without(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    given = ["--data", str(table.parent), "--policy", "lathe,lathe:right,random", "--jobs", "1"]
    soft.bench([*given, "--calls", "60,120", "--seeds", "1", "--json", str(out)])
    rows = json.loads(out.read_text())
    assert {(row["policy"], row["calls"]) for row in rows} == {
        (policy, calls) for policy in ("lathe", "lathe:right", "random") for calls in (60, 120)
    }
    assert all(row["regret"] == 0 for row in rows if row["calls"] == 120)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--task", "poems", "--out", "t.json"], "unknown task 'poems'"),
        (["--task", "navigate", "--out", "no/t.json"], "no such folder"),
        (["--task", "navigate", "--out", "t.json", "--data", "no"], "no such file"),
        (["--task", "navigate", "--out", "t.json", "--prompts", "1"], "too few"),
        (["--task", "support_triage", "--out", "t.json", "--rows", "2"], "connection"),
    ],
)
def test_bad_options(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        ask_table.bench(["--server", "http://127.0.0.1:9/v1", *options])
    assert message in str(caught.value)


def test_what_is_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"no \*\.json"):
        soft.bench(["--data", str(tmp_path)])
    (tmp_path / "t.json").write_text("[]")
    with pytest.raises(SystemExit) as ended:
        main(lambda _: soft.bench(["--data", str(tmp_path)]))
    assert ended.value.code == 2
    assert "not a table" in capsys.readouterr().err
