"""From a run file to the registry and back: the champion renders to what was scored."""

import shutil
from pathlib import Path

import pytest

from promptlathe.job import Job, Result, make_plan, run
from promptlathe.ledger import Ledger
from promptlathe.records import Message
from promptlathe.track import default_uri

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Result]:
    """The shipped run, with a smaller budget."""
    settings = (("budget.calls", "600"), ("search.seed", "0"))
    workspace = tmp_path_factory.mktemp("workspace")
    shutil.copytree(migrated, workspace / ".promptlathe")
    job = Job.load(ROOT / "runs" / "support_triage.yaml", settings=settings, workspace=workspace)
    return job, run(job)


def test_the_winner_is_promoted_and_linked_both_ways(finished: tuple[Job, Result]):
    from mlflow import MlflowClient

    job, result = finished
    assert (result.verdict, result.promoted) == ("better", 2), result.notes
    client = MlflowClient(default_uri(job.state), default_uri(job.state))
    version = client.get_prompt_version_by_alias("support-triage", "champion")
    assert version.version == 2
    assert version.tags["mlflow.prompt.run_ids"] == result.run_id
    assert f"{result.test.best:.2f} on {result.test.examples} held-out rows" in (
        version.commit_message or ""
    )
    run = client.get_run(str(result.run_id))
    assert {i.dataset.name for i in run.inputs.dataset_inputs} == {
        f"support_triage.{split}" for split in ("train", "select", "test")
    }


def test_the_record_has_every_candidate_and_the_course(
    finished: tuple[Job, Result], monkeypatch: pytest.MonkeyPatch
):
    """In a table; those that matter have runs of their own."""
    from mlflow import MlflowClient

    job, result = finished
    client = MlflowClient(default_uri(job.state), default_uri(job.state))
    parent = client.get_run(str(result.run_id))
    nested = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{result.run_id}'"
    )
    asked = [standing for standing in result.standings if standing.cells]
    assert sum(standing.state == "running" for standing in asked) > 10
    shown = {run.data.tags["promptlathe.candidate"]: run.info.run_name for run in nested}
    matter = [result.seed.candidate, result.best.candidate]
    assert [shown[one][:7] for one in matter] == ["seed · ", "best · "]
    others = {one.candidate.id for one in result.pareto if one.candidate.id not in matter}
    front = shown.keys() - set(matter)
    assert front <= others
    assert len(front) == min(3, len(others))
    assert {shown[one].partition("candidate")[0] for one in front} <= {"pareto · "}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(job.state))  # `load_table` reads it
    table = client.load_table(parent.info.experiment_id, "candidates.json", [str(result.run_id)])
    assert sorted(table["candidate"]) == sorted(standing.number for standing in asked)
    assert {mark for mark in table["mark"] if mark} >= {"seed", "best"}
    estimates = list(table["estimate"].dropna())
    assert estimates == sorted(estimates, reverse=True)


def test_the_curve_of_the_result_is_that_in_mlflow(finished: tuple[Job, Result]):
    from mlflow import MlflowClient

    job, result = finished
    client = MlflowClient(default_uri(job.state), default_uri(job.state))
    drawn = {
        name: {m.step: m.value for m in client.get_metric_history(str(result.run_id), name)}
        for name in client.get_run(str(result.run_id)).data.metrics
        if name.startswith("progress/")
    }
    assert drawn.keys() >= {
        *("progress/score_best", "progress/score_seed", "progress/tokens", "progress/cost_usd"),
        *("progress/answers_failed", "progress/answers_cut_off", "progress/answers_unread"),
        "progress/calls_per_second",
    }
    assert 20 <= len(result.curve) <= 201
    for point in result.curve:
        assert drawn["progress/score_best"].get(point.calls) == point.best
        assert drawn["progress/score_seed"].get(point.calls) == point.seed
        assert drawn["progress/cost_usd"][point.calls] == point.usd
    last = result.curve[-1]
    assert last.calls == result.spent.used_calls == max(drawn["progress/score_best"])
    assert drawn["progress/tokens"][last.calls] == result.spent.tokens


def test_every_candidate_is_a_trial(finished: tuple[Job, Result]):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    job, result = finished
    (journal,) = (job.state / "optuna").iterdir()
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name=None, storage=storage)
    values = {trial.number: trial.values for trial in study.trials}
    for standing in result.standings:
        if standing.estimate:
            assert values[standing.number] == [pytest.approx(standing.estimate.mean)]
    assert not any(trial.state == optuna.trial.TrialState.RUNNING for trial in study.trials)


def test_the_champion_formatted_with_a_row_is_byte_for_byte_what_was_scored(
    finished: tuple[Job, Result], monkeypatch: pytest.MonkeyPatch
):
    """The ledger's key is the hash of what was sent: it knows the call, or it does not."""
    import mlflow

    job, result = finished
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(job.state))
    prompt = mlflow.genai.load_prompt("prompts:/support-triage@champion")
    ledger = Ledger(f"sqlite:///{job.state / 'ledger.db'}")
    keys: list[str] = []
    for example in make_plan(job).test:
        formatted = prompt.format(**example.row)
        messages = [Message(m["role"], m["content"]) for m in formatted]
        keys.append(job.model.call(messages, tuple(result.best.parameters.items())).key)
    assert len(keys) == result.test.examples == 120
    assert ledger.find(keys).keys() == set(keys)
    ledger.close()
