"""A cheap model that is asked first: when, what, and what comes of it."""

import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.jobs import OBJECTIVE, answers_file

import promptlathe as pl
from promptlathe.cli.main import main
from promptlathe.errors import InputError
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }}\n{{ care }}", "user": "{{ text }}"},
    components={
        "task": pl.Choice(["Name the team.", "Which team?", "Team:"]),
        "care": pl.Choice(["Take care.", "Be quick.", None]),
    },
)
ROWS = OBJECTIVE.examples("select")


def right(arrived: Arrived) -> Reply:
    label = next(one.row["label"] for one in ROWS if str(one.row["text"]) in arrived.prompt)
    return Reply(str(label))


def optimized(model: ScriptedServer, scout: Any, folder: Path, **more: Any) -> pl.Result:
    given = {
        "model": {"name": "large", "base_url": model.base_url},
        "budget": {"calls": 400},
        "parallel": {"concurrency": 4},
        "scout": scout,
    }
    return pl.optimize(
        SPACE,
        OBJECTIVE,
        track=False,
        report=False,
        workspace=folder,
        progress=False,
        **(given | more),
    )


def small(server: ScriptedServer, calls: int = 64) -> dict[str, Any]:
    return {"model": {"name": "small", "base_url": server.base_url}, "calls": calls}


def test_it_is_asked_once_about_all_rows_and_the_search_hears_it(tmp_path: Path) -> None:
    with ScriptedServer("billing") as model, ScriptedServer(right) as scout:
        first = optimized(model, small(scout), tmp_path)
        texts = [arrived.prompt for arrived in scout.arrived]
        assert len(texts) <= 64
        met = Counter(
            next(one.id for one in ROWS if str(one.row["text"]) in text) for text in texts
        )
        assert met.keys() == {one.id for one in ROWS}
        assert set(met.values()) == {64 // len(ROWS)}, "each as often as the others"
        assert len({text.split("K", 1)[0] for text in texts}) == 8, "by several prompts"
        assert (
            f"the scout small was asked first: {len(texts)} calls, beside the budget" in first.notes
        )
        assert f"it heard {len(texts)} of other prompts or models about the rows" in first.notes
        assert first.spent.calls <= 400
        assert not any("logprobs" in arrived.body for arrived in scout.arrived)

        asked = len(scout.arrived)
        again = optimized(model, small(scout), tmp_path, seed=1)
        assert len(scout.arrived) == asked
        assert any(note.startswith("the scout small was not asked: ") for note in again.notes)


def test_what_it_says_is_never_taken_for_an_answer_of_the_model(tmp_path: Path) -> None:
    """The scout is always right, the model never."""
    with ScriptedServer("none of them") as model, ScriptedServer(right) as scout:
        found = optimized(model, small(scout), tmp_path)
    assert all(one.estimate is None or one.estimate.mean == 0 for one in found.standings)
    with sqlite3.connect(answers_file(tmp_path)) as ledger:
        models = ledger.execute("SELECT model, count(*) FROM runs GROUP BY model").fetchall()
    assert dict(models) == {"large": 1, "small": 1}


def test_with_fewer_calls_than_rows_some_rows_are_met_once(tmp_path: Path) -> None:
    with ScriptedServer("billing") as model, ScriptedServer(right) as scout:
        optimized(model, small(scout, calls=10), tmp_path)
        assert len(scout.arrived) == 10
        assert len({arrived.prompt.rsplit("K", 1)[1] for arrived in scout.arrived}) == 10


def test_the_search_goes_on_without_a_scout_that_is_away(tmp_path: Path) -> None:
    with ScriptedServer("billing") as model:
        away = {"model": {"name": "small", "base_url": "http://127.0.0.1:9/v1"}}
        found = optimized(model, away, tmp_path)
    assert any(note.startswith("the scout small could not be asked: ") for note in found.notes)
    assert found.spent.calls > 0


def test_a_scout_that_is_no_cheaper_is_not_asked(tmp_path: Path) -> None:
    price = {"input": 1.0, "output": 1.0}
    for name in ("dear", "cheap"):
        (tmp_path / name).mkdir()
    with ScriptedServer("billing") as model, ScriptedServer(right) as scout:
        dear = {"large": price, "small": price}
        found = optimized(model, small(scout), tmp_path / "dear", prices=dear)
        assert not scout.arrived
        assert any(note.startswith("the scout small is not asked: ") for note in found.notes)
        cheap = {"large": price, "small": {"input": 0.01, "output": 0.01}}
        optimized(model, small(scout), tmp_path / "cheap", prices=cheap)
        assert scout.arrived


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"warm_start": False}, "nobody listens to a scout: warm_start is false"),
        ({"policy": "random"}, "nobody listens to a scout: the policy is not lathe"),
        ({"scout": {"model": "small", "calls": 0}}, "must be more than 0"),
        ({"scout": {"calls": 10}}, "model"),
        ({"scout": {"model": {"name": "small", "api_key_env": "NO_SUCH_KEY"}}}, "NO_SUCH_KEY"),
    ],
)
def test_bad_options(more: dict[str, Any], message: str, tmp_path: Path) -> None:
    with ScriptedServer("billing") as model, pytest.raises(InputError) as caught:
        optimized(model, more.pop("scout", {"model": "pocket"}), tmp_path, **more)
    assert message in str(caught.value)


RUN = """\
space:
  messages: {{user: "{{{{ task }}}} {{{{ text }}}}"}}
  components: {{task: {{choice: ["Name the team.", "Which team?"]}}}}
objective:
  dataset: rows.jsonl
  scorers: [exact_match: label]
model: pocket
search:
  scout: {{model: {scout}}}
track: false
"""


def checked(folder: Path, scout: str) -> Any:
    """What `promptlathe check` makes of the run file with this scout."""
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"text": f"row {i}", "label": "ab"[i % 2]}) + "\n" for i in range(80))
    )
    (folder / "run.yaml").write_text(RUN.format(scout=scout))
    return CliRunner().invoke(main, ["check", str(folder / "run.yaml")])


def test_a_message_names_its_line(tmp_path: Path) -> None:
    shown = checked(tmp_path, "{name: small, api_key_env: NO_SUCH_KEY}")
    assert shown.exit_code == 2
    assert "run.yaml:9" in shown.output
    assert "NO_SUCH_KEY" in shown.output


def test_check_says_what_it_will_ask(tmp_path: Path) -> None:
    shown = checked(tmp_path, "pocket")
    assert shown.exit_code == 0, shown.output
    assert "the scout pocket is asked first" in shown.output
