"""A judge beside labels of people: the figures, their intervals, the command, and what runs say."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.metrics import cohen_kappa_score
from tests.orders import model
from truescore import gwet_ac1

from promptlathe.cli import main
from promptlathe.scoring.calibration import Calibration
from promptlathe.scoring.calibration.agreement import ac1, agreement_of, error_of, kappa
from promptlathe.scoring.calibration.corrected import corrected_mean
from promptlathe.testing.scripted import Arrived, ScriptedServer

# The figures


def test_the_figures_are_those_of_the_libraries() -> None:
    rng = np.random.default_rng(1)
    people = rng.integers(0, 3, 80)
    judge = np.where(rng.random(80) < 0.7, people, rng.integers(0, 3, 80))
    counts = np.zeros((3, 3), np.int64)
    np.add.at(counts, (people, judge), 1)
    found = agreement_of(counts, (0.0, 0.5, 1.0))
    assert found.kappa.value == pytest.approx(cohen_kappa_score(people, judge))
    assert found.weighted_kappa is not None
    weighted = cohen_kappa_score(people, judge, weights="quadratic")
    assert found.weighted_kappa.value == pytest.approx(weighted)
    assert found.ac1.value == pytest.approx(gwet_ac1(people, judge))
    assert found.agreement.value == pytest.approx(np.mean(people == judge))
    error = error_of(people / 2, judge / 2, 0.5)
    assert error.value == pytest.approx((judge - people).mean() / 2)


def test_raters_who_never_differed_may_still_differ() -> None:
    found = agreement_of(np.array([[12, 0], [0, 8]]), (0.0, 1.0))
    assert found.kappa.value == found.agreement.value == 1
    assert found.agreement.low == pytest.approx(0.88, abs=0.02), "Jeffreys, 20 of 20"
    assert found.kappa.low < 0.9
    error = error_of([1.0] * 20, [1.0] * 20, 1.0)
    assert error.low < -0.1 < 0.1 < error.high
    one_sided = agreement_of(np.array([[20, 0], [0, 0]]), (0.0, 1.0))
    assert one_sided.ac1.value == one_sided.kappa.value == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "chances",
    [[[0.4, 0.1], [0.08, 0.42]], [[0.85, 0.05], [0.04, 0.06]], [[0.05, 0.15], [0.02, 0.78]]],
)
def test_the_intervals_cover(chances: Any) -> None:
    """In 95 of 100 samples, about; also where one label is rare."""
    rng, true = np.random.default_rng(2), np.array(chances)
    weights = 1 - np.eye(2)
    want = {
        "agreement": np.trace(true),
        "kappa": kappa(true[None], weights)[0],
        "ac1": ac1(true[None])[0],
        "error": true[0, 1] - true[1, 0],
    }
    hits = dict.fromkeys(want, 0)
    for _ in range(200):
        counts = rng.multinomial(60, true.ravel()).reshape(2, 2)
        found = agreement_of(counts, (0.0, 1.0))
        (_, high), (low, _) = counts
        apart = [1.0] * high + [-1.0] * low + [0.0] * (60 - high - low)
        error = error_of([0.0] * 60, apart, 1.0)
        for name, value in want.items():
            interval = error if name == "error" else getattr(found, name)
            hits[name] += interval.low <= value <= interval.high
    assert min(hits.values()) >= 0.9 * 200, hits


def test_the_corrected_mean_is_narrower_than_labels_alone() -> None:
    found, method = corrected_mean(*_sample(np.random.default_rng(3), 60, 0.6, 0.1), (0, 1), 1)
    labels, judged, _ = _sample(np.random.default_rng(3), 60, 0.6, 0.1)
    alone, other = corrected_mean(labels, judged, [], (0, 1), 1)
    assert method.startswith("PPI++")
    assert other == "the labels alone"
    assert found.width < 0.8 * alone.width


@pytest.mark.slow
@pytest.mark.parametrize("labels", [20, 30, 60])
@pytest.mark.parametrize(("mean", "kind"), [(0.6, 0.1), (0.85, 0.1), (0.6, 0.25), (0.95, 0.05)])
def test_the_corrected_mean_covers(labels: int, mean: float, kind: float) -> None:
    """A judge that is too kind: its own mean is not that of people."""
    rng, hits, naive = np.random.default_rng(4), 0, 0
    for _ in range(300):
        given, judged, more = _sample(rng, labels, mean, kind)
        found, _ = corrected_mean(given, judged, more, (0, 1), 1)
        hits += found.low <= mean <= found.high
        whole = np.array([*judged, *more])
        naive += abs(whole.mean() - mean) < 1.96 * whole.std() / np.sqrt(len(whole))
    assert hits >= 0.93 * 300
    if mean == 0.6:
        assert naive < 0.85 * 300


def _sample(
    rng: np.random.Generator, labels: int, mean: float, kind: float
) -> tuple[list[float], list[float], list[float]]:
    """Labels, verdicts on the same answers, and on 200 others."""
    people = rng.random(labels + 200) < mean
    judge = np.where(rng.random(labels + 200) < kind, 1.0, people).astype(float)
    return people[:labels].astype(float).tolist(), judge[:labels].tolist(), judge[labels:].tolist()


# The command

OBJECTIVE = """
dataset: rows.jsonl
scorers:
  - judge: {name: kind, rubric: The customer is spoken to kindly., levels: [no, partly, yes]}
  - judge: {builtin: harmful}
  - exact_match: answer
goal: maximize exact_match + 0.5*kind
"""
RUN = """
space:
  messages: {{user: "{{{{ tone }}}} {{{{ text }}}}"}}
  components: {{tone: {{choice: {{none: null, kind: Be kind.}}}}}}
objective: objective.yaml
model: {model}
judge: {judge}
budget: {{calls: 400}}
track: false
"""
TEXTS = {"en": "Where is my parcel number", "fr": "Où est donc mon colis numéro"}
OUTPUTS = {"no": "Wait.", "partly": "Please wait.", "yes": "So sorry! Please wait."}


def critic(arrived: Arrived) -> str:
    """Too kind with French customers: there, `partly` is `yes`."""
    if arrived.decides:
        kind = {"partly": 0.5, "yes": 0.5} if "lease" in arrived.prompt else {"no": 1.0}
        harmful = {one["label"]: 0.5 for one in arrived.questions[-1]["levels"]}
        return json.dumps({"kind": kind, "harmful": harmful})
    output = arrived.prompt.rpartition("# Output\n")[2]
    level = next(name for name, text in OUTPUTS.items() if output.strip() == text)
    if level == "partly" and "colis" in arrived.prompt:
        level = "yes"
    return json.dumps({"rationale": "So.", "level": level})


def labels(number: int = 30, more: int = 0) -> list[dict[str, str]]:
    names = list(OUTPUTS)
    found: list[dict[str, str]] = []
    for i in range(number + more):
        level, language = names[i % 3], ("en", "fr")[i // 3 % 2]
        text = f"{TEXTS[language]} {i}?"
        label = level if i < number else ""
        found.append({"text": text, "output": OUTPUTS[level], "label": label, "who": "ann"})
    return found


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"text": f"{TEXTS['en']} {i}?", "answer": str(i)} for i in range(60)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (tmp_path / "objective.yaml").write_text(OBJECTIVE, "utf-8")
    write(tmp_path / "labels.csv", labels())
    return tmp_path


def run_file(folder: Path, server: ScriptedServer, **judge: Any) -> Path:
    made = RUN.format(
        model=json.dumps(model(server)), judge=json.dumps({**model(server, "critic"), **judge})
    )
    (folder / "run.yaml").write_text(made, "utf-8")
    return folder / "run.yaml"


def call(folder: Path, *options: str, file: str = "run.yaml", judge: str = "kind") -> Result:
    named = ["--judge", judge] if judge else []
    command = ["judge", str(folder / file), str(folder / "labels.csv"), *named, *options]
    return CliRunner().invoke(main, command)


def test_the_command(folder: Path) -> None:
    with ScriptedServer(critic) as server:
        run_file(folder, server)
        done = call(folder, "--json", str(folder / "out.json"))
        assert done.exit_code == 0, done.output
        assert len(server.arrived) == 30
        again = call(folder, "--json", "-")
        assert len(server.arrived) == 30, "what the ledger knows costs nothing"
    found = json.loads((folder / "out.json").read_text())
    assert found["agreement"]["value"] == pytest.approx(25 / 30)
    assert found["confusion"] == [[10, 0, 0], [0, 5, 5], [0, 0, 10]]
    assert found["error"]["value"] == pytest.approx(5 * 0.5 / 30)
    assert found["by_language"]["en"]["agreement"]["value"] == 1
    assert found["by_language"]["fr"]["agreement"]["value"] == pytest.approx(10 / 15)
    assert (found["calls"], found["labelled"], found["unlabelled"]) == (30, 30, 0)
    told = json.loads(again.stdout)
    assert (told["calls"], told["cached_calls"]) == (0, 30)
    assert told["kappa"] == found["kappa"]
    for part in (
        "Cohen's kappa   0.750",
        "Gwet's AC1",
        "partly   0       5    5",
        "the labels alone",
    ):
        assert part in done.stdout, done.stdout


def test_answers_without_a_label_make_the_mean_surer(folder: Path) -> None:
    with ScriptedServer(critic) as server:
        run_file(folder, server)
        before = json.loads(call(folder, "--json", "-").stdout)["corrected_mean"]
        write(folder / "labels.csv", labels(30, more=60))
        found = json.loads(call(folder, "--json", "-").stdout)
    assert (found["labelled"], found["unlabelled"]) == (30, 60)
    assert found["method"].startswith("PPI++")
    after = found["corrected_mean"]
    assert after["high"] - after["low"] < 0.8 * (before["high"] - before["low"])
    assert after["low"] < 0.5 < after["high"]


def test_by_the_decisions_api(folder: Path) -> None:
    """Fractional scores count as their nearest level, and as they are in the means."""
    with ScriptedServer(critic) as server:
        run_file(folder, server, api="decisions")
        found = json.loads(call(folder, "--json", "-").stdout)
        assert {len(arrived.questions) for arrived in server.arrived} == {2}
    assert found["judged_mean"] == pytest.approx(0.5)
    assert found["error"]["value"] == pytest.approx(0.0, abs=0.01)


@pytest.mark.slow
def test_several_labels_of_one_answer_count_once(folder: Path) -> None:
    rows = labels()
    other = [{**row, "label": "no", "who": "bob"} for row in rows[:12]]
    write(folder / "labels.csv", [*rows, *other])
    with ScriptedServer(critic) as server:
        run_file(folder, server)
        done = call(folder)
    assert len(server.arrived) == 30
    assert (
        "30 labelled answers, 0 without a label; two people agree on 33 %"
        in done.stdout.replace("33%", "33 %")
    )


@pytest.mark.slow
def test_an_objective_with_a_model_by_hand(folder: Path) -> None:
    with ScriptedServer(critic) as server:
        by_hand = ["--set", "judge.name=critic", "--set", f"judge.base_url={server.base_url}"]
        done = call(folder, *by_hand, "--json", "-", file="objective.yaml")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["model"] == "critic"
    missing = call(folder, file="objective.yaml")
    assert missing.exit_code == 2
    assert "--set judge.name=MODEL" in missing.stderr


def changed(**columns: Any) -> Any:
    return lambda rows: [{**row, **columns} for row in rows]


def without(name: str) -> Any:
    return lambda rows: [{k: v for k, v in row.items() if k != name} for row in rows]


@pytest.mark.parametrize(
    ("change", "judge", "said"),
    [
        (without("label"), "kind", "no row has the field 'label'"),
        (without("output"), "kind", "no row has the field 'output' (the answer that is judged)"),
        (without("text"), "kind", "no row has the field 'text' (the judge sees it in a run)"),
        (changed(label="partli"), "kind", "did you mean 'partly'"),
        (changed(label="3"), "kind", "'3' is no level of the judge"),
        (changed(label=""), "kind", "no row has the field 'label'"),
        (lambda rows: rows[:9], "kind", "9 answers have a label: too few"),
        (lambda rows: rows, "", "there are several judges: kind, harmful"),
        (lambda rows: rows, "kin", "did you mean 'kind'"),
    ],
)
def test_what_is_wrong_is_said_before_a_call(
    folder: Path, change: Any, judge: str, said: str
) -> None:
    write(folder / "labels.csv", change(labels()))
    with ScriptedServer(critic) as server:
        run_file(folder, server)
        done = call(folder, judge=judge)
        assert (done.exit_code, len(server.arrived)) == (2, 0)
    assert said in done.stderr, done.stderr
    assert "→" in done.stderr


def test_a_budget_that_is_too_small(folder: Path) -> None:
    with ScriptedServer(critic) as server:
        run_file(folder, server)
        done = call(folder, "--budget", "10")
        assert (done.exit_code, len(server.arrived)) == (4, 10)
        assert "after 10 of 30 answers" in done.stderr
        assert "--budget 30" in done.stderr
        assert call(folder).exit_code == 0
        assert len(server.arrived) == 30


@pytest.mark.slow
def test_a_budget_in_usd_needs_the_judges_price(folder: Path) -> None:
    with ScriptedServer(critic) as server:
        run_file(folder, server)
        done = call(folder, "--set", "budget={usd: 1}")
        assert (done.exit_code, len(server.arrived)) == (2, 0)
        assert "budget.usd needs a price, and 'critic' has none" in done.stderr
        prices = ["--set", "budget={usd: 1}", "--set", "prices.critic={input: 1, output: 1}"]
        assert call(folder, *prices).exit_code == 0
        assert len(server.arrived) == 30


@pytest.mark.slow
def test_a_judge_that_mumbles(folder: Path) -> None:
    def mumbles(arrived: Arrived) -> str:
        return "Hm." if arrived.number % 5 == 0 else critic(arrived)

    with ScriptedServer(mumbles) as server:
        run_file(folder, server)
        done = call(folder, "--json", str(folder / "out.json"), "--set", "parallel.concurrency=1")
    assert json.loads((folder / "out.json").read_text())["unread"] == 6
    assert "no verdict on 1 answers: the scorer kind" in done.stdout
    with ScriptedServer("Hm.") as server:
        run_file(folder, server)
        assert call(folder).exit_code == 2


@pytest.mark.slow
def test_a_calibration_is_read_back(folder: Path) -> None:
    with ScriptedServer(critic) as server:
        run_file(folder, server)
        call(folder)
    [path] = (folder / ".promptlathe/judges").iterdir()
    data = json.loads(path.read_text())
    assert Calibration.from_dict(data).to_dict() == Calibration.from_dict(data).to_dict()
    assert json.loads(json.dumps(Calibration.from_dict(data).to_dict())) == data


# What a run says


def clerk(arrived: Arrived) -> str:
    if arrived.body["model"] == "critic":
        return critic(arrived)
    return OUTPUTS["yes" if "Be kind" in arrived.prompt else "no"]


def said_of_kind(folder: Path, *settings: str) -> tuple[str, dict[str, Any]]:
    command = ["run", str(folder / "run.yaml"), "--json", str(folder / "result.json")]
    done = CliRunner().invoke(main, [*command, *settings])
    assert done.exit_code == 0, done.output
    found = json.loads((folder / "result.json").read_text())
    note = next(one for one in found["notes"] if one.startswith("the judge") and "kind" in one)
    assert f"note      {note}" in done.stdout
    return note, found["judges"][0]


@pytest.mark.slow
def test_a_run_says_how_far_its_judge_may_be_off(folder: Path) -> None:
    """Of the judge that it has: another text or model was not calibrated."""
    with ScriptedServer(clerk) as server:
        run_file(folder, server)
        note, judge = said_of_kind(folder)
        assert (
            "the judges kind and harmful are not calibrated: how far their verdicts may be off"
            in note
        )
        assert (judge["state"], judge["gain_off"]) == ("not calibrated", None)
        assert call(folder).exit_code == 0
        note, judge = said_of_kind(folder)
        assert "agrees with people on 83% of 30 answers" in note
        assert "a gain by its scores may be off by" in note
        error = judge["calibration"]["error"]
        assert judge["gain_off"] == pytest.approx(0.5 * (error["high"] - error["low"]))
        checked = CliRunner().invoke(main, ["check", str(folder / "run.yaml")])
        assert "the judge kind agrees with people on 83%" in checked.output
        assert "the judge harmful is not calibrated" in checked.output
        note, judge = said_of_kind(folder, "--set", "judge.temperature=0.5")
        assert (judge["state"], judge["calibration"]) == ("changed", None)
        assert "not calibrated, since the text or the model is not what was calibrated" in note
        text = (folder / "objective.yaml").read_text()
        (folder / "objective.yaml").write_text(text.replace("spoken to kindly", "greeted"))
        assert said_of_kind(folder)[1]["state"] == "changed"
