"""Before a search is paid for: what a few prompts on the same rows say, and what that costs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, text
from tests.jobs import OBJECTIVE, answers_file, canaries
from tests.orders import chain, shop

import promptlathe as pl
from promptlathe.cli.headroom import show_headroom
from promptlathe.cli.main import main
from promptlathe.decide.headroom import Headroom, headroom
from promptlathe.errors import BudgetTooSmall
from promptlathe.job import Job, make_plan
from promptlathe.job import run as run_job
from promptlathe.job.headroom import Seen, design, look, sizes
from promptlathe.job.runfile import SearchOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.search.lathe.design import levels_of, spread_out
from promptlathe.space import BoundSpace
from promptlathe.testing.scripted import ScriptedServer

# The statistics


def world(
    seed: int, effects: np.ndarray, rows: int = 40, hard: float = 1.5
) -> tuple[np.ndarray, dict[str, list[str | None]]]:
    """Scores of prompts whose logits are `effects`, and one component: high or low."""
    rng = np.random.default_rng(seed)
    logits = effects[:, None] - hard * rng.standard_normal(rows)
    scores = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    return scores, {"tone": ["high" if one > 0 else "low" for one in effects]}


def seen(scores: np.ndarray, levels: Any = None, **more: Any) -> Headroom:
    return headroom(scores, levels or {}, **{"size": 100, "test": 150, **more})


def test_where_nothing_matters_it_seldom_says_so() -> None:
    """Exact in theory: 5 %."""
    names = np.tile([0.001, -0.001], 4)
    found = [seen(*world(seed, names, rows=24)) for seed in range(80)]
    assert np.mean([one.p < 0.05 for one in found]) <= 0.1
    assert sum(one.verdict == "headroom" for one in found) <= 5
    assert np.mean([one.reach_low <= 0 <= one.reach_high for one in found]) > 0.85


def test_what_matters_is_seen_and_named() -> None:
    found = [seen(*world(seed, np.tile([-1.0, 1.0], 4), rows=60)) for seed in range(10)]
    for one in found:
        assert one.p < 0.05
        (tone,) = one.components
        assert (tone.component, tone.best, tone.worst) == ("tone", "high", "low")
        assert tone.p < 0.05
        assert tone.difference > 15
        assert one.spread_low > 1
    assert sum(one.verdict == "headroom" for one in found) >= 8


def test_a_seed_that_is_among_the_best_is_said_to_be() -> None:
    effects = np.array([2.0, *[-1.0, -1.1] * 5])
    verdicts = [seen(world(seed, effects, rows=80)[0]).verdict for seed in range(10)]
    assert verdicts.count("spread, but not above the seed") >= 8


def test_a_broken_prompt_matters_but_is_no_reach() -> None:
    effects = np.zeros(10)
    effects[3] = -50
    one = seen(world(0, effects, rows=60)[0])
    assert one.p < 0.05
    assert one.reach < 15


def test_equal_answers_leave_nothing_to_find() -> None:
    rng = np.random.default_rng(0)
    scores = np.tile((rng.random(40) < 0.6).astype(float), (8, 1))
    one = seen(scores, {"tone": ["a", "b"] * 4})
    assert (one.verdict, one.p) == ("no headroom seen", 1.0)
    assert one.spread < 1
    assert seen(scores, {"only": ["a"] * 8}).components == ()  # nothing to compare
    two = seen(scores[:2], size=2)
    assert two.verdict in ("no headroom seen", "cannot tell")


# Which prompts

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }}\n{{ form }}", "user": "{{ demos }}\n\n{{ text }}"},
    components={
        "task": pl.Choice(
            {
                "draft": "Read the message.",
                "teams": "Say which team the message is for: billing, delivery or login.",
                "short": "Which team? billing, delivery, login",
            }
        ),
        "form": pl.Choice({"chatty": "Say which.", "bare": "Answer with the label only."}),
        "demos": pl.Demos(count=(0, 3), template="Text: {{ text }}\nTeam: {{ label }}", draws=3),
    },
    constraints=[{"forbid": {"task": "short", "form": "chatty"}}],
)


def job(workspace: Path, **changes: Any) -> Job:
    made = Job(
        space=SPACE,
        objective=OBJECTIVE,
        model=ModelSettings(name="pocket"),
        budget=Budget(calls=1000),
        search=SearchOptions(operators=()),
        track=False,
        workspace=workspace,
    )
    return replace(made, **changes)


def test_the_prompts_say_much_about_each_component(tmp_path: Path) -> None:
    space = make_plan(job(tmp_path)).space
    candidates = spread_out(space, 6, seed=1)
    assert candidates[0] == space.seed
    assert len({one.id for one in candidates}) == 6
    assert candidates == spread_out(space, 6, seed=1)
    assert all(SPACE.allows(dict(one.levels)) for one in candidates)
    levels = levels_of(space, candidates)
    assert set(levels["task"]) == {"draft", "teams", "short"}
    assert set(levels["form"]) == {"chatty", "bare"}
    assert set(levels["demos.count"]) >= {"0", "3"}
    alone = BoundSpace(pl.SearchSpace(messages="{{ text }}"), ())
    assert spread_out(alone, 6, seed=1) == [alone.seed]


def test_most_rows_for_few_prompts() -> None:
    assert sizes(200, 1000) == (6, 33)
    assert sizes(200, 20) == (10, 20)
    assert sizes(50, 1000) == (4, 12)
    assert sizes(100_000, 300) == (24, 300)


# The command


def asked(folder: Path) -> int:
    engine = create_engine(f"sqlite:///{answers_file(folder)}")
    with engine.connect() as connection:
        count = connection.execute(text("select count(*) from answers")).scalar_one()
    engine.dispose()
    return count


def test_a_run_that_follows_pays_for_nothing_again(tmp_path: Path) -> None:
    one = job(tmp_path, budget=Budget(calls=800))
    plan = make_plan(one)
    candidates, rows = design(plan, 0)
    found = look(one, plan)
    cells = len(candidates) * len(rows)
    assert found.headroom is not None
    assert (found.headroom.prompts, found.headroom.rows) == (len(candidates), len(rows))
    assert 60 <= cells <= 80
    assert (found.spent.calls, found.spent.cached_calls) == (cells, 0)
    assert asked(tmp_path) == cells
    result = run_job(one)
    assert f"the search started from {cells} earlier outcomes" in result.notes
    assert asked(tmp_path) == cells + result.spent.calls
    assert result.opened == 1  # looking opened nothing
    again = look(one, plan)
    assert (again.spent.calls, again.spent.cached_calls) == (0, cells)
    assert again.headroom == found.headroom


def test_it_never_asks_a_row_of_test_and_keeps_to_a_tenth() -> None:
    held_out, sent = canaries("test"), []

    def reply(arrived: Any) -> str:
        sent.append(arrived.prompt)
        return "billing"

    with ScriptedServer(reply) as server, CliRunner().isolated_filesystem() as folder:
        model = ModelSettings(name="m", base_url=server.base_url)
        one = job(Path(folder), model=model, budget=Budget(calls=900))
        found = look(one, make_plan(one))
    assert 0 < len(sent) == found.spent.calls <= 90
    assert not any(word in prompt for prompt in sent for word in held_out)
    assert found.headroom is not None
    assert found.headroom.verdict == "no headroom seen"  # the same answer whatever is asked


def test_a_chain_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    with ScriptedServer(shop) as served:
        one = chain(tmp_path, served, calls=3000)
        found = look(one, make_plan(one))
    assert found.spent.calls + found.spent.cached_calls <= 300
    assert found.headroom is not None
    assert found.headroom.p < 0.05
    assert found.headroom.components[0].component.split(".")[0] in ("plan", "answer")


def test_texts_that_are_not_written_yet_are_not_covered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = pl.SearchSpace(
        messages={"system": "{{ task }}", "user": "{{ text }}"},
        components={"task": pl.Text("Say which team it is for.", rewrite=True)},
    )
    one = job(tmp_path, space=space, search=SearchOptions(operators=("labels",)))
    found = look(one, make_plan(one))
    assert (found.headroom, found.spent.calls) == (None, 0)
    assert found.to_dict()["verdict"] == "cannot tell"
    show_headroom(found)
    shown = " ".join(capsys.readouterr().out.split())
    assert "cannot tell with 0 calls" in shown
    assert "texts that operators will write are not covered" in shown
    assert "one prompt so far" in shown


def test_too_little_to_see_anything(tmp_path: Path) -> None:
    one = job(tmp_path, budget=Budget(calls=200))
    with pytest.raises(BudgetTooSmall, match="a tenth of the budget affords about 20 answers"):
        look(one, make_plan(one))


RUN = """
space:
  messages: {system: "{{ task }}", user: "{{ text }}"}
  components: {task: {choice: {a: "Say which.", b: "Answer with the label only."}}}
objective: {dataset: rows.jsonl, scorers: [{exact_match: {target: label}}]}
model: pocket
budget: {calls: 800}
track: false
"""


def test_the_command_says_it_in_words_and_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        dict(example.row)
        for split in ("train", "select", "test")
        for example in OBJECTIVE.examples(split)
    ]  # type: ignore[arg-type]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "run.yaml").write_text(RUN)
    done = CliRunner().invoke(main, ["check", "run.yaml", "--headroom"])
    assert done.exit_code == 0, done.output
    heads = [line[:13].strip() for line in done.output.splitlines() if line[:1].strip()]
    assert heads[:3] == ["headroom", "spread", "above seed"]
    assert "component    task: " in done.output
    assert "test is unseen" in done.output
    written = CliRunner().invoke(main, ["check", "run.yaml", "--headroom", "--json", "-"])
    found = json.loads(written.stdout)
    assert found["calls"] == 0  # they are known
    assert found["components"][0]["component"] == "task"
    assert {"verdict", "p", "spread", "reach", "worth", "chance", "cost_usd"} <= found.keys()
    alone = CliRunner().invoke(main, ["check", "run.yaml", "--json", "-"])
    plan = json.loads(alone.stdout)  # what would be spent, without a call
    assert plan["status"] == "finished"
    assert plan["calls"] == plan["budget"]["calls"]


def test_what_is_shown_is_escaped(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one = job(tmp_path, budget=Budget(calls=1000))
    found = look(one, make_plan(one))
    assert found.headroom is not None
    mad = replace(found.headroom.components[0], best="\x1b[31m[bold]" + "x" * 60)
    show_headroom(replace(found, headroom=replace(found.headroom, components=(mad,))))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]" in shown
    assert "x" * 40 not in shown


def test_a_result_is_json(tmp_path: Path) -> None:
    one = job(tmp_path)
    found: Seen = look(one, make_plan(one))
    assert json.loads(json.dumps(found.to_dict()))["test_rows"] == found.test
