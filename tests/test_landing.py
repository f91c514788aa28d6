"""What leads a colleague to the result: names, the experiment's description, the table's view."""

import json
from pathlib import Path
from typing import Any

from tests.track_samples import BEST, COMPARISON, EXAMPLES, Teller, about, answered, conclusion

from promptlathe.track.landing import COLUMNS, NOTE, OURS, VIEW_TAG, outcome


def finished(state: Path, name: str, began: int, **changes: Any) -> Any:
    teller = Teller(state, name)
    started = teller.start(about(began=began, title=name))
    assert teller.conclude(conclusion(**changes)).problems == ()
    return started


def note(client: Any, started: Any) -> str:
    return client.get_experiment(started.experiment_id).tags[NOTE]


def test_the_first_line_leads_to_the_latest_optimization(state: Path, client: Any) -> None:
    finished(state, "first", 1_700_000_000_000)
    last = finished(state, "last", 1_700_000_060_000, verdict="worse", promote=False)
    at = f"#/experiments/{last.experiment_id}"
    line = note(client, last).splitlines()[0]
    assert line == " · ".join(
        [
            f"Latest optimization: [0.50 → 0.75 worse]({at}/runs/{last.run_id})",
            f"[what changed in the prompt]({at}/runs/{last.run_id}/artifacts/prompt_diff.html)",
            f"[prompt support-triage]({at}/prompts/support-triage)",
            f"[all optimizations]({at}/runs?viewStateShareKey=promptlathe)",
        ]
    )


def test_one_that_is_sent_late_does_not_take_the_place(state: Path, client: Any) -> None:
    last = finished(state, "last", 1_700_000_060_000)
    finished(state, "late", 1_600_000_000_000, promote=False)
    assert last.run_id in note(client, last)


def test_what_people_wrote_stays(state: Path, client: Any) -> None:
    first = finished(state, "first", 1_700_000_000_000)
    theirs = f"{note(client, first)}\n\nAsk Jo before you change the labels."
    client.set_experiment_tag(first.experiment_id, NOTE, theirs)
    for number in (1, 2):
        last = finished(state, f"next{number}", 1_700_000_000_000 + 60_000 * number, promote=False)
        lines = note(client, last).splitlines()
        assert last.run_id in lines[0]
        assert lines[1:] == ["", OURS, "", "Ask Jo before you change the labels."]
    client.set_experiment_tag(first.experiment_id, NOTE, "Written before")
    last = finished(state, "last", 1_700_000_900_000, promote=False)
    assert note(client, last).splitlines()[1:] == ["", OURS, "", "Written before"]


def test_a_view_of_the_runs_table_shows_the_result(state: Path, client: Any) -> None:
    first = finished(state, "first", 1_700_000_000_000)
    view = json.loads(client.get_experiment(first.experiment_id).tags[VIEW_TAG])
    shown = json.loads(view["state"])
    assert shown["selectedColumns"] == list(COLUMNS)
    (found,) = client.search_runs([first.experiment_id], shown["searchFilter"])
    kinds = {"metrics": found.data.metrics, "tags": found.data.tags}
    known = {f"{kind}.`{name}`" for kind, names in kinds.items() for name in names}
    assert known >= set(COLUMNS)
    client.set_experiment_tag(first.experiment_id, VIEW_TAG, "mine")
    finished(state, "last", 1_700_000_060_000, promote=False)
    assert client.get_experiment(first.experiment_id).tags[VIEW_TAG] == "mine"


def test_a_name_tells_what_came_out() -> None:
    assert outcome(conclusion()) == "0.50 → 0.75 better"
    assert outcome(conclusion(comparison=None, verdict=None)) == "not compared"
    other = conclusion(champion=COMPARISON, compared_with="champion", comparison=None)
    assert outcome(other) == "0.50 → 0.75 better"


def test_what_held_out_rows_say_comes_first(state: Path, client: Any) -> None:
    """MLflow's table of evaluation runs shows the first metrics of the latest runs."""
    teller = Teller(state)
    # A minute before its rows: runs that begin at one moment have no order.
    started = teller.start(about(began=1_699_999_940_000))
    teller.test_outcome("best", answered(BEST, EXAMPLES[0], "billing"))
    teller.conclude(conclusion())
    latest = client.search_runs([started.experiment_id])[0]
    assert latest.info.run_name.startswith("best")
    assert next(iter(latest.data.metrics)) == "exact_match/mean"
