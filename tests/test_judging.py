"""Judges: a model that scores, through the same account, ledger and result as all other calls."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jobs import essence
from tests.orders import (
    DECISIONS,
    PLACES,
    ROWS,
    check_account,
    ledger_roles,
    lucky,
    model,
    parallel,
    row_of,
)

import promptlathe as pl
from promptlathe.errors import InputError, ModelUnavailable
from promptlathe.job import Job, Result, run
from promptlathe.job.progress import View
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

CALLS = 400
SPACE = """
messages:
  system: |
    {{ task }}
    {{ tone }}
  user: |
    Message: {{ message }}
    Order: {{ facts }}
components:
  task:
    choice:
      draft: Decide what to do.
      named: "Decide: refund, replace, wait, decline or ask_details."
  tone:
    choice:
      none: null
      short: Be brief.
      friendly: Greet the customer.
      kind: Say that you are sorry for the trouble.
"""
FACTS = """
dataset: rows.jsonl
splits: {train: 0.1, select: 0.4, test: 0.5, seed: 7, stratify: decision}
scorers:
  - exact_match: {target: decision, parse: label}
  - judge: {name: tone, rubric: The customer is spoken to kindly., levels: [no, partly, yes]}
goal: maximize exact_match + tone
"""
RUN = """
space: space.yaml
objective: objective.yaml
model: {model}
judge: {judge}
budget: {{calls: {calls}}}
parallel: {parallel}
track: false
"""


def clerk(arrived: Arrived) -> str:
    """Right when the decisions are named, kind when it is asked to be."""
    row, prompt = row_of(arrived), arrived.prompt
    right = DECISIONS.index(row["decision"])
    good = "refund, replace" in prompt or lucky(row, 3, "clerk")
    said = DECISIONS[right if good else (right + 1) % len(DECISIONS)]
    greeting = "Hello! " if "Greet" in prompt else ""
    return f"{greeting}{said}{'. Sorry for the trouble.' if 'sorry' in prompt else ''}"


def critic(arrived: Arrived) -> str:
    """The verdict, in the form that is asked for; it says why."""
    output = arrived.prompt.rpartition("# Output")[2]
    level = "yes" if "Sorry" in output else "partly" if "Hello" in output else "no"
    assert arrived.choices == ("no", "partly", "yes")
    return json.dumps({"rationale": f"It says {output.strip()!r}.", "level": level})


def both(arrived: Arrived) -> str:
    return critic(arrived) if arrived.body["model"] == "critic" else clerk(arrived)


def job(
    folder: Path,
    server: ScriptedServer,
    *,
    calls: int = CALLS,
    engine: str = "local",
    concurrency: int = 1,
) -> Job:
    """Written as a user writes it."""
    rows = "\n".join(json.dumps(dict(row)) for row in ROWS)
    made = RUN.format(
        model=json.dumps(model(server)),
        judge=json.dumps(model(server, "critic")),
        calls=calls,
        parallel=json.dumps(parallel(engine, concurrency)),
    )
    files = {"rows.jsonl": rows, "space.yaml": SPACE, "objective.yaml": FACTS, "run.yaml": made}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return Job.load(folder / "run.yaml")


def by_model(server: ScriptedServer) -> Counter[str]:
    return Counter(arrived.body["model"] for arrived in server.arrived)


class Watch:
    """Keeps what progress showed."""

    def __init__(self) -> None:
        self.judged: list[int] = []
        self.fractions: list[float] = []

    def update(self, view: View) -> None:
        self.judged.append(view.account.spent.of("judge").calls)
        self.fractions.append(view.fraction or 0.0)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(both) as served:
        yield served


Alone = tuple[Result, ScriptedServer, Watch, Path]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """With one call in flight."""
    folder, watch = tmp_path_factory.mktemp("alone"), Watch()
    with ScriptedServer(both) as served:
        return run(job(folder, served), progress=watch), served, watch, folder


def test_it_finds_what_the_judge_and_the_label_want(alone: Alone) -> None:
    result = alone[0]
    assert (result.verdict, result.recommended) == ("better", "best")
    assert dict(result.best.levels) == {"task": "named", "tone": "kind"}
    assert result.test.best == 2, "exact_match 1, tone 1"


def test_its_calls_have_their_role_everywhere(alone: Alone) -> None:
    result, served, watch, folder = alone
    sent = by_model(served)
    used = check_account(result, served, calls=CALLS)
    assert used == {
        "total": sent.total(),
        "task": sent["shop"],
        "rewrite": 0,
        "judge": sent["critic"],
    }
    assert ledger_roles(folder) == {"task": sent["shop"], "judge": sent["critic"]}
    assert watch.judged == sorted(watch.judged)
    assert watch.judged[-1] == sent["critic"]
    assert max(watch.fractions) <= 1
    assert result.to_dict()["tokens"]["judge"] > 0


def test_an_output_is_judged_once(alone: Alone) -> None:
    """Two prompts that give the same output for a row share the verdict."""
    _, served, _, _ = alone
    asked = Counter(
        arrived.prompt for arrived in served.arrived if arrived.body["model"] == "critic"
    )
    sent = Counter(a.prompt for a in served.arrived if a.body["model"] == "shop")
    assert max(asked.values()) == 1
    assert len(asked) < len(sent)


def test_the_same_seed_gives_the_same_result(
    alone: Alone, server: ScriptedServer, tmp_path: Path
) -> None:
    made = job(tmp_path, server)
    first = run(made)
    assert essence(first) == essence(alone[0])
    paid = len(server.arrived)
    assert essence(run(made, replay=first.run)) == essence(first)
    assert len(server.arrived) == paid


@pytest.mark.parametrize(("engine", "concurrency"), PLACES, indirect=["engine"])
def test_within_the_budget(
    server: ScriptedServer, tmp_path: Path, engine: str, concurrency: int
) -> None:
    """As many calls in flight as there are: judges never go over it."""
    result = run(job(tmp_path, server, calls=260, engine=engine, concurrency=concurrency))
    used = check_account(result, server, calls=260)
    assert used["judge"] == by_model(server)["critic"] > 0
    assert result.best.levels["tone"] == "kind"


def test_in_python(server: ScriptedServer, tmp_path: Path) -> None:
    from promptlathe.scoring import Objective, exact_match, judge
    from promptlathe.space import SearchSpace

    (tmp_path / "space.yaml").write_text(SPACE, "utf-8")
    tone = judge("The customer is spoken to kindly.", levels=("no", "partly", "yes"), name="tone")
    objective = Objective(
        [dict(row) for row in ROWS],
        scorers=[exact_match("decision"), tone],
        goal="maximize tone",
    )
    result = pl.optimize(
        SearchSpace.load(tmp_path / "space.yaml"),
        objective,
        model=model(server),
        judge=model(server, "critic"),
        budget=pl.Budget(calls=260),
        parallel=parallel("local"),
        track=False,
        workspace=tmp_path,
    )
    assert result.best.levels["tone"] == "kind"
    assert result.test.best == 1
    check_account(result, server, calls=260)


def test_without_a_judge_of_its_own_the_model_judges(tmp_path: Path) -> None:
    def alike(arrived: Arrived) -> str:
        return critic(arrived) if "by a rubric" in arrived.prompt else clerk(arrived)

    with ScriptedServer(alike) as server:
        made = job(tmp_path, server, calls=260)
        text = (tmp_path / "run.yaml").read_text("utf-8")
        lines = [line for line in text.splitlines() if not line.startswith("judge:")]
        (tmp_path / "run.yaml").write_text("\n".join(lines), "utf-8")
        result = run(Job.load(made.workspace / "run.yaml"))
        assert by_model(server).keys() == {"shop"}
        assert check_account(result, server, calls=260)["judge"] > 0
    assert result.best.levels["tone"] == "kind"
    assert any("judges its own answers" in note for note in result.notes)


def test_a_verdict_that_cannot_be_read_is_no_score(tmp_path: Path) -> None:
    """Now and then: the cell is left unscored. Always: the run ends, and says why."""

    def mumbles(arrived: Arrived) -> str:
        unclear = arrived.body["model"] == "critic" and arrived.number % 9 == 0
        return "Hm." if unclear else both(arrived)

    with ScriptedServer(mumbles) as server:
        result = run(job(tmp_path, server))
    assert result.best.levels["tone"] == "kind"
    assert sum(s.failures for s in result.standings) > 0
    assert any("failed and were left unscored" in note for note in result.notes)

    def never(arrived: Arrived) -> str:
        return "Hm." if arrived.body["model"] == "critic" else clerk(arrived)

    other = tmp_path / "other"
    other.mkdir()
    with ScriptedServer(never) as server:
        with pytest.raises(InputError, match="the judge's answer could not be read"):
            run(job(other, server))
        assert len(server.arrived) < 60


def test_a_judge_that_is_away_ends_the_run_by_name(tmp_path: Path) -> None:
    def refuses(arrived: Arrived) -> str | Reply:
        denied = Reply("wrong key", status=401)
        return denied if arrived.body["model"] == "critic" else clerk(arrived)

    with ScriptedServer(refuses) as server, pytest.raises(ModelUnavailable, match="critic"):
        run(job(tmp_path, server))


MOODY = """
messages: {user: "{{ tone }} Message: {{ message }} Order: {{ facts }}"}
components: {tone: {choice: {plain: Answer the customer.}, rewrite: true}}
"""
METRIC = """
def short(row, output):
    return 0.0, f"{len(output)} characters are too many"
"""


@pytest.mark.slow
def test_why_an_output_lost_points_reaches_the_rewriter(tmp_path: Path) -> None:
    """What judges and functions say stands beside the mistakes that it is shown."""

    def answers(arrived: Arrived) -> str:
        if arrived.body["model"] == "writer":
            return "<new>Answer the customer. Say that you are sorry for the trouble.</new>"
        return critic(arrived) if arrived.body["model"] == "critic" else clerk(arrived)

    with ScriptedServer(answers) as server:
        job(tmp_path, server)
        facts = FACTS.replace(
            "  - exact_match: {target: decision, parse: label}", "  - metric.py:short"
        )
        files = {
            "space.yaml": MOODY,
            "metric.py": METRIC,
            "objective.yaml": facts.replace("exact_match + tone", "tone + short"),
        }
        for name, text in files.items():
            (tmp_path / name).write_text(text, "utf-8")
        by_hand = {
            "rewriter": json.dumps(model(server, "writer")),
            "search.operators": "[rewrite]",
            "budget.calls": "300",
        }
        run(Job.load(tmp_path / "run.yaml", settings=tuple(by_hand.items())))
        asked = [one.prompt for one in server.arrived if one.body["model"] == "writer"]
    assert asked
    assert re.search(r"Why, says tone: It says '\w+'", asked[0])
    assert re.search(r"Why, says short: \d+ characters are too many", asked[0])
