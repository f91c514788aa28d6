"""From a spool into a real store: nothing twice, nothing left out, whoever was killed when."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.stores import door
from tests.track_samples import BEST, EXAMPLES, SEED, about, answered, conclusion, standing

from promptlathe.errors import InputError
from promptlathe.track import default_artifacts, default_uri
from promptlathe.track.backend import Away, Backend
from promptlathe.track.records import Begun, Candidacy, Concluded, Curve, Stopped, TestRow
from promptlathe.track.running import lock_of
from promptlathe.track.sender import KILLED, Open, send, send_leftovers
from promptlathe.track.spool import Content, Spool, Spooled, Taken

opened: Open = cache(Backend)
LABEL = about().label


def rows(count: int) -> list[Content]:
    return [
        TestRow(side, answered(one, EXAMPLES[number], "billing"))
        for number in range(count)
        for side, one in (("seed", SEED), ("best", BEST))
    ]


def begun(state: Path, **changes: Any) -> Begun:
    return Begun(default_uri(state), default_artifacts(state), about(**changes))


def spool_of(state: Path, *records: Content, run: str = "run") -> Path:
    spool = Spool(state / "spool", run)
    for record in records:
        spool.append(record)
    spool.close()
    return spool.path


class Killed(BaseException):
    """The sender's process ends here."""


class DiesAfter(Spooled):
    """A sender that is killed after it has written so many records, before it notes the last."""

    left = 0

    def note(self, taken: Taken) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed
        super().note(taken)


@pytest.mark.parametrize("written", range(6))
def test_a_sender_that_is_killed_is_followed_by_one_that_writes_nothing_twice(
    state: Path, client: Any, written: int
):
    told = [
        begun(state),
        Curve(9, (("progress/score_best", 9, 0.5),)),
        *rows(3),
        Candidacy(standing(SEED), "seed"),
        Candidacy(standing(BEST, number=1), "pareto"),
        conclusion(),
    ]
    dies = DiesAfter(spool_of(state, *told))
    dies.left = written
    with pytest.raises(Killed):
        send(dies, opened)
    news: list[Any] = []
    assert send(Spooled(dies.path), opened, tell=news.append)
    (concluded,) = [one for one in news if isinstance(one, Concluded)]
    assert concluded.problems == ()
    assert concluded.registered["prompt"].version == 1
    runs = client.search_runs(["1"])
    assert sorted((run.info.run_name, run.info.status) for run in runs) == [
        (f"0.50 → 0.75 better · {LABEL} · pocket", "FINISHED"),
        (f"best · {LABEL}", "FINISHED"),
        ("pareto · candidate 1", "FINISHED"),
        (f"seed · {LABEL}", "FINISHED"),
    ]
    traces = client.search_traces(locations=["1"])
    assert len(traces) == 6
    assert {len(trace.data.spans) for trace in traces} == {2}
    assert {len(trace.info.assessments) for trace in traces} == {3}
    history = client.get_metric_history(str(concluded.run_id), "progress/score_best")
    assert len(history) == 1
    assert len(client.search_prompt_versions("support-triage")) == 1
    assert client.get_prompt_version_by_alias("support-triage", "champion").version == 1
    assert list((state / "spool").iterdir()) == []


def leftovers(state: Path, own: Spooled | None = None, store: str | None = None) -> list[str]:
    said: list[str] = []
    send_leftovers(state, opened, own=own, say=said.append, left=said.append, store=store)
    return said


def test_a_run_that_was_killed_is_closed_and_says_why(state: Path, client: Any):
    path = spool_of(state, begun(state), *rows(2), Candidacy(standing(SEED)))
    with path.open("ab") as torn:
        torn.write(b'{"at": 17')
    assert leftovers(state) == ["run run: 7 records sent"]
    runs = {run.info.run_name: run for run in client.search_runs(["1"])}
    assert {name: run.info.status for name, run in runs.items()} == {
        f"stopped · {LABEL} · pocket": "KILLED",
        "candidate 0": "FINISHED",
        f"seed · {LABEL}": "KILLED",
        f"best · {LABEL}": "KILLED",
    }
    assert runs[f"stopped · {LABEL} · pocket"].data.tags["promptlathe.reason"] == KILLED
    assert leftovers(state) == []


def test_a_run_whose_process_is_alive_is_left_alone(state: Path, client: Any):
    spool_of(state, begun(state), run="alive")
    with lock_of(state, "alive"):
        assert leftovers(state) == []
        assert client.search_runs(["0", "1"]) == []
    assert leftovers(state) == ["run alive: 2 records sent"]


def test_a_run_that_is_gone_on_with_closes_its_earlier_record(state: Path, client: Any):
    tags = {"promptlathe.run": "again"}
    spool_of(state, begun(state, tags=tags), run="again")
    own = Spooled(spool_of(state, begun(state, tags=tags), Stopped("FAILED", "x"), run="again"))
    with lock_of(state, "again"):
        assert leftovers(state, own) == ["run again: 2 records sent"]
    send(own, opened)
    runs = client.search_runs(["1"], "tags.`promptlathe.run` = 'again'")
    assert sorted(run.info.status for run in runs) == ["FAILED", "KILLED"]


def test_a_store_that_was_made_anew_gets_the_whole_record(state: Path, tmp_path: Path, client: Any):
    spooled = Spooled(
        spool_of(state, begun(state), Candidacy(standing(SEED)), conclusion(promote=False))
    )
    spooled.note(Taken(2, "a" * 32, "1"))
    send(spooled, opened)
    assert len(client.search_runs(["1"])) == 2


def test_a_sender_that_was_killed_at_the_very_end_leaves_only_files(state: Path, client: Any):
    path = spool_of(state, begun(state), conclusion(promote=False))
    send(Spooled(path), opened)
    (run,) = client.search_runs(["1"])
    again = spool_of(state, begun(state), conclusion(promote=False))
    Spooled(again).note(Taken(2, run.info.run_id, "1"))
    empty = spool_of(state, run="said-nothing")
    assert leftovers(state) == ["run run: 0 records sent"]
    assert not again.exists()
    assert not empty.exists()
    assert len(client.search_runs(["1"])) == 1


def test_a_store_that_is_away_leaves_the_rest_for_later(state: Path):
    with door() as store:
        path = spool_of(state, Begun(store.url, None, about()), conclusion())
        (line,) = leftovers(state)
        assert line == f"run run: {store.url}: too many 500 error responses"
    assert len(Spooled(path).read()) == 2


def test_a_run_sends_what_is_for_its_own_store_and_waits_for_no_other(state: Path):
    with door() as other:
        away = spool_of(state, Begun(other.url, None, about()), conclusion())
        mine = spool_of(state, begun(state), conclusion(promote=False), run="mine")
        said = leftovers(state, store=default_uri(state))
        assert said == ["run mine: 2 records sent"]
        assert not other.requests
    assert away.exists()
    assert not mine.exists()


@pytest.mark.parametrize("content", [b"{}\n", b'{"at": 1, "kind": "else", "content": 1}\n'])
def test_a_file_that_is_no_spool_is_told_and_kept(state: Path, content: bytes):
    path = state / "spool" / "2026-run.jsonl"
    path.parent.mkdir()
    path.write_bytes(content)
    (line,) = leftovers(state)
    assert "cannot be read" in line
    assert path.exists()


def test_what_the_store_refuses_at_the_start_waits_for_the_user(state: Path, client: Any):
    client.delete_experiment(client.create_experiment("triage"))
    path = spool_of(state, begun(state), conclusion())
    with pytest.raises(InputError, match="is deleted"):
        send(Spooled(path), opened)
    client.restore_experiment("1")
    assert leftovers(state)[0] == "run run: 2 records sent"


def test_a_database_that_is_deleted_meanwhile_takes_nothing(state: Path, client: Any):
    store = Backend(default_uri(state), default_artifacts(state))
    path = spool_of(
        state, begun(state), Candidacy(standing(SEED)), Candidacy(standing(BEST, number=1))
    )

    def remove(news: object) -> None:
        if news == 2:
            (state / "mlflow.db").unlink()

    with pytest.raises(Away, match="was deleted or replaced"):
        send(Spooled(path), lambda uri, artifacts: store, tell=remove)
    assert Spooled(path).taken.records == 2


def test_a_pause_is_asked_for_until_the_store_is_back(state: Path, migrated: Path):
    """Here the database, which somebody moved for a while."""
    store = Backend(default_uri(state), default_artifacts(state))
    away = state / "elsewhere.db"
    path = spool_of(state, begun(state), Candidacy(standing(SEED)), conclusion(promote=False))
    pauses: list[int] = []

    def lose(news: object) -> None:
        if news == 1:
            shutil.move(state / "mlflow.db", away)

    def pause(attempts: int, error: Away) -> None:
        pauses.append(attempts)
        if attempts == 3:
            shutil.move(away, state / "mlflow.db")

    assert send(Spooled(path), lambda uri, artifacts: store, tell=lose, pause=pause)
    assert pauses == [1, 2, 3]
