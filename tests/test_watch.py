"""Whether the champion still does what it did: the statistics, and a model that changes."""

import asyncio
import json
import random
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

import pytest
from click.testing import CliRunner
from tests.services import Service, serving
from tests.teams import lay_out, register, run_file, served

from promptlathe import clock
from promptlathe.cli import main
from promptlathe.decide.drift import FEWEST, drift_of, evidence_of, ranks
from promptlathe.errors import InputError
from promptlathe.job import Job, check
from promptlathe.job.looking import Look, canaries
from promptlathe.job.stores import ledger_url
from promptlathe.job.warm import terms
from promptlathe.job.watching import Watched, beside, watch
from promptlathe.ledger import Ledger, sqlite_url
from promptlathe.records import Answer, Call, Example, Message

ROWS = 60


def looks(days: int, right: float, rng: random.Random, flips: float = 0.05) -> list[list[float]]:
    """Each row is sure, but for a part that changes from day to day."""
    sure = [float(rng.random() < right) for _ in range(ROWS)]
    return [[float(rng.random() < 0.5) if rng.random() < flips else one for one in sure]
            for _ in range(days)]  # fmt: skip


def lower(some: list[list[float]], share: float, rng: random.Random) -> list[list[float]]:
    """The same looks, when rows have become wrong."""
    lost = {row for row in range(ROWS) if rng.random() < share}
    return [[0.0 if row in lost else one for row, one in enumerate(look)] for look in some]


def test_alarms_when_nothing_changes():
    """At most alpha of champions, in all looks together."""
    alarmed = 0
    for number in range(300):
        same = looks(90, 0.85, random.Random(number))
        alarmed += drift_of(same, alpha=0.1, seed=number).verdict == "drift"
    assert alarmed <= 30


@pytest.mark.parametrize("ties", [False, True])
def test_the_evidence_is_seldom_high_whatever_the_distribution(ties: bool):
    """It reaches k with a probability of 1 / k at most, at any time."""
    highest: list[float] = []
    for number in range(2000):
        rng = random.Random(f"scores {number}")
        scores = [float(rng.random() < 0.9) if ties else rng.random() for _ in range(25)]
        highest.append(max(evidence_of(scores, number)))
    for k in (2, 5, 10, 20):
        share = fmean(one >= k for one in highest)
        assert share <= 1 / k
        assert share > 0 or k > 10


def test_ranks_of_looks_that_are_all_the_same_are_uniform():
    found = [ranks([0.9] * 5, seed)[-1] for seed in range(2000)]
    assert fmean(found) == pytest.approx(0.5, abs=0.03)
    assert 0 < min(found) < 0.02
    assert 0.98 < max(found) <= 1


@pytest.mark.parametrize(("drop", "most"), [(0.10, 25), (0.20, 15)])
def test_a_drop_is_found_and_dated(drop: float, most: int):
    rng = random.Random(3)
    steady = looks(80, 0.9, rng)
    days = [*steady[:30], *lower(steady[30:], drop / 0.9, rng)]
    found = drift_of(days, alpha=0.01, seed=7)
    assert found.verdict == "drift"
    assert found.first is not None
    assert found.since is not None
    assert 30 <= found.first < 30 + most
    assert abs(found.since - 30) <= 2
    assert found.drop == pytest.approx(drop, abs=0.06)
    assert found.interval
    assert found.interval[0] < drop < found.interval[1]
    assert found.highest >= 100


def test_a_drift_that_was_seen_stays_one():
    rng = random.Random(3)
    steady = looks(120, 0.9, rng)
    days = [*steady[:30], *lower(steady[30:60], 0.2, rng), *steady[60:]]
    found = drift_of(days, alpha=0.01, seed=7)
    assert (found.verdict, found.since) == ("drift", 30)
    assert found.highest >= 100


def test_few_looks_say_nothing():
    same = looks(FEWEST, 0.9, random.Random(1))
    assert drift_of([], alpha=0.01, seed=1).verdict == "not enough looks yet"
    assert drift_of(same[:-1], alpha=0.01, seed=1).verdict == "not enough looks yet"
    assert drift_of(same, alpha=0.01, seed=1).verdict == "holds"


def test_the_same_looks_say_the_same():
    same = looks(40, 0.9, random.Random(1))
    assert drift_of(same, alpha=0.01, seed=5) == drift_of(same, alpha=0.01, seed=5)


def test_canaries_are_the_same_rows_whatever_their_order():
    rows = [Example(f"e{number}", {"text": str(number)}, "test") for number in range(50)]
    chosen = canaries(rows, 20)
    assert canaries(rows[::-1], 20) == chosen
    others = [row for row in rows if row not in chosen]
    assert canaries([*chosen, *others[1:]], 20) == chosen
    assert len(canaries(rows, 80)) == 50


def test_canaries_stay_when_rows_move_come_and_go():
    rows = [Example(f"e{number}", {"text": str(number)}, "test") for number in range(50)]
    chosen = canaries(rows, 20)
    last = Look(
        datetime(2026, 1, 1, tzinfo=UTC), {row.id: 1.0 for row in chosen}, None, None, 20, 20
    )
    moved = [replace(row, split="select") for row in rows]
    new = [Example(f"n{number}", {"text": f"n{number}"}, "test") for number in range(50)]
    again = canaries(new, 20, [*moved, *new], last)
    assert {row.id for row in again} == {row.id for row in chosen}
    gone = {chosen[0].id, chosen[1].id}
    fewer = canaries(new, 20, [row for row in moved if row.id not in gone], last)
    assert {row.id for row in fewer} == {row.id for row in chosen} - gone
    half = {row.id for row in chosen[:10]}
    others = canaries(new, 20, [row for row in moved if row.id not in half], last)
    assert {row.id for row in others} <= {row.id for row in new}
    assert len(canaries(rows, 30, rows, last)) == 30, "another number of rows is wanted"


@pytest.fixture
def workspace(tracked: Path) -> Path:
    return lay_out(tracked)


def test_answers_are_set_aside_each_time_a_model_changes(tmp_path: Path):
    """The same call is answered by the model as it was, as it is, and as it will be."""
    call = Call("m", (Message("user", "hi"),), (), endpoint="http://x/v1")
    with closing(Ledger(sqlite_url(tmp_path / "ledger.db"))) as ledger:
        for day in range(1, 4):
            with clock.told_by(lambda day=day: datetime(2027, 1, day, tzinfo=UTC)):
                ledger.record([(call, Answer(f"day {day}", 1, 1, 0.1))])
            assert ledger.find([call.key])[call.key].text == f"day {day}"
            change = datetime(2027, 1, day, 12, tzinfo=UTC)
            assert ledger.set_aside("other", call.endpoint, change) == 0
            assert ledger.set_aside("m", call.endpoint, change) == 1
            assert ledger.find([call.key]) == {}


@pytest.mark.slow
async def test_a_model_that_changes(workspace: Path):
    """Thirty days as ever, then fewer tickets are known."""
    register(workspace)
    async with serving() as (service, url):
        model, file = served(service), run_file(workspace, url)
        now = datetime(2026, 11, 1, 6, tzinfo=UTC)

        def look() -> Watched:
            job = Job.load(file)
            return watch(job, check(job))

        found: list[Watched] = []
        with clock.told_by(lambda: now):
            for day in range(48):
                model.right = 0.9 if day < 30 else 0.72
                found.append(await asyncio.to_thread(look))
                now += timedelta(days=1)
            assert found[18].drift.verdict == "not enough looks yet"
            assert {one.drift.verdict for one in found[19:30]} == {"holds"}
            last = found[-1]
            assert last.drift.verdict == "drift"
            assert [one.new for one in found].count(True) == 1
            assert last.began
            assert abs(last.began - datetime(2026, 12, 1, 6, tzinfo=UTC)) <= timedelta(days=2)
            said = await asyncio.to_thread(
                CliRunner().invoke, main, ["watch", str(file), "--quiet", "--json", "-"]
            )
            assert said.exit_code == 7
            data = json.loads(said.stdout)
            assert (data["verdict"], data["exit_code"], data["new"]) == ("drift", 7, False)
            shown = await asyncio.to_thread(CliRunner().invoke, main, ["watch", str(file)])
            assert shown.exit_code == 7
            assert "teams/1 drifts: " in shown.output
            assert "December 2026" in shown.output or "30 November 2026" in shown.output
        command = ["history", "teams", "--workspace", str(workspace)]
        told = await asyncio.to_thread(CliRunner().invoke, main, command)
        (line,) = [one for one in told.output.splitlines() if "1 drifts: " in one]
        assert "points lower since 2026-1" in line
        assert {len(one.look.scores) for one in found} == {60}
        assert service_rows(service) == 50 * 120, "each look asks anew"
    _shows_looks(workspace, last.mlflow_run)


def service_rows(service: Service) -> int:
    return sum(1 for body in service.bodies if "messages" in body)


def _shows_looks(workspace: Path, run: str | None) -> None:
    from mlflow.tracking import MlflowClient

    from promptlathe.track import default_uri

    client = MlflowClient(default_uri(workspace / ".promptlathe"))
    assert run
    assert client.get_run(run).data.tags["verdict"] == "drift"
    points = client.get_metric_history(run, "score")
    assert [point.step for point in points] == list(range(1, 51))
    assert fmean(p.value for p in points[:30]) > fmean(p.value for p in points[30:]) + 0.05


@pytest.mark.slow
async def test_a_look_that_the_service_did_not_answer_does_not_count(workspace: Path):
    register(workspace)
    async with serving() as (service, url):
        model, file = served(service), run_file(workspace, url)
        model.down = 0.3
        job = Job.load(file)
        found = await asyncio.to_thread(lambda: watch(job, check(job)))
        assert found.look.lost > 6
        assert found.looks == ()
        assert any("this look does not count" in note for note in found.notes)
        model.down = 0.0
        for count in (1, 2):
            found = await asyncio.to_thread(lambda: watch(job, check(job)))
            assert len(found.looks) == count
        with closing(Ledger(ledger_url(job))) as ledger:
            ledger.begin("next", terms(job), warm=True)
            known = ledger.earlier("next", found.look.scores)
        champion = [one for one in known if one.value == found.look.scores[one.example]]
        assert {one.example for one in champion} == found.look.scores.keys(), "a search hears them"
        assert all(not one.model for one in known)
        assert len({(one.candidate, one.example) for one in known}) == len(known)


@pytest.mark.slow
async def test_bad_input(workspace: Path):
    async with serving() as (service, url):
        served(service)
        file = run_file(workspace, url)
        job = Job.load(file)
        with pytest.raises(InputError, match="there is no champion of teams"):
            await asyncio.to_thread(lambda: watch(job, check(job)))
        off = Job.load(run_file(workspace, url, track=False))
        with pytest.raises(InputError, match="track is false"):
            watch(off, check(off))
        register(workspace, "{{ gone }}")
        job = Job.load(run_file(workspace, url))
        with pytest.raises(InputError, match=r"needs fields that the data lacks: \['gone'\]"):
            await asyncio.to_thread(lambda: watch(job, check(job)))
        assert service_rows(service) == 0


@pytest.mark.slow
async def test_an_alarm_that_is_new_runs_the_job(workspace: Path):
    register(workspace)
    async with serving() as (service, url):
        model = served(service)
        file = run_file(workspace, url, watch={"rows": 30, "on_drift": "optimize", "alpha": 0.1})
        command = ["watch", str(file), "--quiet"]
        await asyncio.to_thread(CliRunner().invoke, main, ["run", str(file), "--quiet"])
        paid = service_rows(service)
        codes: list[int] = []
        ran: list[bool] = []
        for day in range(40):
            model.right = 0.9 if day < 20 else 0.3
            said = await asyncio.to_thread(CliRunner().invoke, main, command)
            codes.append(said.exit_code)
            ran.append("the alarm is new: the job is run" in said.output)
            if ran[-1]:
                break
        assert set(codes[:20]) == {0}
        assert ran.count(True) == 1
        assert codes[-1] == 7
        # What the model said before it changed is not taken for what it says now.
        assert "answers from before the drift are not used any more" in said.output
        assert service_rows(service) - paid > 30 * len(codes) + 100
        assert "verdict" in said.output


def test_calls_that_take_longer():
    rng = random.Random(1)
    seconds = [rng.uniform(0.2, 0.4) + (1.0 if day >= 25 else 0.0) for day in range(40)]
    looks = [
        Look(datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day), {"a": 1.0}, one, None, 1, 1)
        for day, one in enumerate(seconds)
    ]
    (found,) = beside(looks, ["a"], alpha=0.01, seed=1).values()
    said = found.words("seconds_per_call")
    since, before = fmean(seconds[25:]), fmean(seconds[:25])
    assert said == (
        f"a call takes longer: seconds {since:.3g} since 26 November 2026, {before:.3g} before"
    )
    steady = beside(looks[:25], ["a"], alpha=0.01, seed=1)
    assert {name: one.began for name, one in steady.items()} == {"seconds_per_call": None}
    unseen = [replace(look, seconds=None) for look in looks]
    assert beside(unseen, ["a"], alpha=0.01, seed=1) == {}


@pytest.mark.slow
async def test_what_else_became_worse(workspace: Path):
    """The seed, a call's time, a row's cost, and who answers; none of it is an alarm."""
    register(workspace, "Which team?\n\n{{ text }}")
    prices = {"m": {"input": 1.0, "output": 5.0}}
    async with serving() as (service, url):
        model = served(service)
        model.fingerprint, model.seed_right = "fp_1", 0.7
        file = run_file(workspace, url, watch={"rows": 20, "alpha": 0.05}, prices=prices)
        now = datetime(2026, 11, 1, 6, tzinfo=UTC)

        def look() -> Watched:
            job = Job.load(file)
            return watch(job, check(job))

        found: list[Watched] = []
        with clock.told_by(lambda: now):
            for day in range(34):
                if day == 22:
                    model.seed_right, model.tokens = 0.2, 9
                    model.fingerprint = "fp_2"
                found.append(await asyncio.to_thread(look))
                now += timedelta(days=1)
    first, last = found[0], found[-1]
    assert first.look.seed is not None
    assert fmean(v for v in first.look.seed.values() if v is not None) < fmean(
        v for v in first.look.scores.values() if v is not None
    )
    assert first.look.calls == 40
    assert {one.drift.verdict for one in found} <= {"holds", "not enough looks yet"}
    said = " ".join(last.notes)
    assert "the seed drifts: score 0." in said
    assert "a row costs more: USD 5e-05 since" in said
    assert last.beside.keys() == {"seed", "seconds_per_call", "cost_per_row"}
    for name in ("seed", "cost_per_row"):  # time depends on what else this machine does
        moment = last.beside[name].began
        assert moment is not None
        assert abs(moment - datetime(2026, 11, 23, 6, tzinfo=UTC)) <= timedelta(days=2)
    (told,) = [note for one in found for note in one.notes if "calls what answers" in note]
    assert told == (
        "the service calls what answers m-2026-01-01 fp_2; on 22 November 2026 it was "
        "m-2026-01-01 fp_1"
    )
    form = last.to_dict()
    assert form["beside"]["cost_per_row"]["verdict"] == "drift"
    assert form["served"] == ["m-2026-01-01 fp_2"]
    assert json.loads(json.dumps(form)) == form


@pytest.mark.slow
async def test_a_model_that_is_going_to_end_is_told_once(workspace: Path):
    register(workspace)
    (workspace / "tell.py").write_text(
        "import json, sys\n"
        "open('told.jsonl', 'a').write(json.dumps(json.load(sys.stdin)['text']) + '\\n')\n"
    )
    tell = [{"command": f"{sys.executable} tell.py"}]
    async with serving() as (service, url):
        model = served(service)
        model.ends = "2026-12-20"
        file = run_file(
            workspace, url, watch={"rows": 10, "seed": False}, retire={"warn_days": 20}, notify=tell
        )
        notes: list[str] = []
        for left in (21, 20, 19):
            moment = datetime(2026, 12, 20, 6, tzinfo=UTC) - timedelta(days=left)
            with clock.told_by(lambda moment=moment: moment):
                said = await asyncio.to_thread(CliRunner().invoke, main, ["watch", str(file)])
            assert said.exit_code == 0, said.output
            notes.append(said.output)
    assert ["shuts m down on 2026-12-20" in one for one in notes] == [False, True, True]
    told = (workspace / "told.jsonl").read_text().splitlines()
    assert len(told) == 1
    assert "the service shuts m down soon" in told[0]
