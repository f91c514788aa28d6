"""The shipped task that is scored by judges alone, on a scripted hotel and a scripted judge."""

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.orders import check_account

from promptlathe.cli import main
from promptlathe.job import Job, run
from promptlathe.scoring import Objective
from promptlathe.starter import starter
from promptlathe.testing.scripted import Arrived, ScriptedServer

RUN = starter() / "runs/polite_replies.yaml"
TASK = starter() / "objectives/polite_replies"
SETTINGS = "{{name: {name}, base_url: '{url}', max_tokens: 100, retries: 0}}"


def hotel(arrived: Arrived) -> str:
    """Calm and true as far as it is told to be."""
    prompt = arrived.prompt
    facts = prompt.rpartition("Facts: ")[2].partition("\n")[0]
    calm = "I am sorry. " if "Stay calm" in prompt else "That is not our fault. "
    return calm + (facts if "facts only" in prompt else "We shall pay for everything.")


def judge(arrived: Arrived) -> str:
    """By what the hotel above writes; it sees the reply, and for some rubrics the facts."""
    system, output = arrived.prompt.split("\n# ")[0], arrived.prompt.rpartition("\n# ")[2]
    assert system.startswith(("You judge", "Vous évaluez"))
    lowest, *_, highest = arrived.choices
    rubric = arrived.prompt.partition("\n# ")[2]
    if "harm somebody" in rubric or "nuire à quelqu" in rubric:
        return arrived.as_asked(lowest)
    if "the context supports" in rubric or "contexte permet" in rubric:
        return arrived.as_asked(lowest if "pay for everything" in output else highest)
    return arrived.as_asked(highest if "I am sorry" in output else lowest)


def scripted(arrived: Arrived) -> str:
    if "<new>" in arrived.prompt:
        return f"<new>Reply with care, please, number {len(arrived.prompt)}.</new>"
    return judge(arrived) if arrived.body["model"] == "judge" else hotel(arrived)


def by_hand(server: ScriptedServer) -> dict[str, str]:
    return {
        "model": SETTINGS.format(name="hotel", url=server.base_url),
        "judge": SETTINGS.format(name="judge", url=server.base_url),
        "track": "false",
    }


def test_the_rows_and_the_labels() -> None:
    objective = Objective.load(TASK / "objective.yaml")
    rows = [e.row for split in ("train", "select", "test") for e in objective.examples(split)]
    assert Counter(row["lang"] for row in rows) == {"en": 22, "fr": 22}
    assert objective.bounds == (-1, 1)


@pytest.mark.slow
def test_the_run_file(tmp_path: Path) -> None:
    with ScriptedServer(scripted) as server:
        given = {**by_hand(server), "budget.calls": "2000"}
        result = run(Job.load(RUN, settings=tuple(given.items()), workspace=tmp_path))
    assert (result.verdict, result.test.best) == ("better", 1)
    assert result.best.levels["tone"] == "calm"
    assert result.best.levels["grounding"] != "none"
    assert check_account(result, server, calls=2000)["judge"] > 0


@pytest.mark.slow
def test_its_labels(tmp_path: Path) -> None:
    """A judge that finds every reply kind agrees with a third of them."""
    labels, out = TASK / "labels.csv", tmp_path / "out.json"
    with ScriptedServer(lambda arrived: arrived.as_asked(arrived.choices[-1])) as server:
        changes = [f"--set={name}={value}" for name, value in by_hand(server).items()]
        options = ["--judge", "tone", "--workspace", str(tmp_path), "--json", str(out)]
        done = CliRunner().invoke(main, ["judge", str(RUN), str(labels), *options, *changes])
        languages = Counter("Vous évaluez" in arrived.prompt for arrived in server.arrived)
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["labelled"] == 36
    assert found["agreement"]["value"] == pytest.approx(1 / 3)
    assert found["kappa"]["value"] == pytest.approx(0)
    assert languages == {True: 18, False: 18}
    assert {name: part["answers"] for name, part in found["by_language"].items()} == {
        "en": 18,
        "fr": 18,
    }
