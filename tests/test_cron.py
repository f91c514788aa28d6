"""Cron expressions and time zones, as run files name them."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import pytest

from promptlathe.cron import Cron, check_cron, check_zone, machine_zone
from promptlathe.errors import InputError
from promptlathe.job.runfile import RunFile

PARIS = "Europe/Paris"


def times(expression: str, after: datetime, count: int = 3, zone: str = PARIS) -> list[str]:
    found = islice(Cron(expression, zone).after(after), count)
    return [f"{one:%m-%d %H:%M%z}" for one in found]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 0 30 2 *", "never fires: there is no such day"),
        ("0 0 31 4,6,9,11 *", "never fires: there is no such day"),
        ("0 0 32 * *", "its day-of-month is wrong"),
        ("99 3 * * 1", "its minute is wrong"),
        ("0 3 * * 9", "its day-of-week is wrong"),
        ("*/0 * * * *", "its minute is wrong"),
        ("0 9-5 * * *", "its hour is wrong"),
        ("* * * * * *", "a cron expression has five fields"),
        ("@daily", "a cron expression has five fields"),
        ("", "a cron expression has five fields"),
    ],
)
def test_an_expression_that_nothing_can_follow(expression: str, said: str):
    with pytest.raises(ValueError, match=said):
        check_cron(expression)


@pytest.mark.parametrize("one", ["0 3 * * 1", "*/15 * * * *", "0 0 L * *", "0 9 * jan mon#2"])
def test_an_expression_that_is_one(one: str):
    assert check_cron(one) == one


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Pari", "did you mean 'Europe/Paris'"),
        ("paris", "did you mean 'Europe/Paris'"),
        ("Mars/Base", "UTC"),
        ("../etc/passwd", "UTC"),
    ],
)
def test_a_zone_that_nobody_knows(name: str, near: str):
    with pytest.raises(ValueError, match="there is no time zone") as raised:
        check_zone(name)
    assert near in raised.value.args[1]


def test_clocks_put_forward_and_back():
    spring = times("30 2 * * *", datetime(2027, 3, 27, 12, tzinfo=UTC))
    assert spring == ["03-28 03:00+0200", "03-29 02:30+0200", "03-30 02:30+0200"]
    autumn = times("30 2 * * *", datetime(2027, 10, 30, 12, tzinfo=UTC))
    assert autumn == ["10-31 02:30+0200", "11-01 02:30+0100", "11-02 02:30+0100"]
    assert len(times("0 * * * *", datetime(2027, 10, 30, 22, tzinfo=UTC), 25)) == 25


def test_the_zone_of_this_machine(monkeypatch: pytest.MonkeyPatch):
    import tzlocal

    tzlocal.reload_localzone()
    assert str(machine_zone())
    monkeypatch.setattr(tzlocal, "get_localzone", lambda: 1 / 0)
    with pytest.raises(InputError, match="time zone of this machine"):
        machine_zone()


def test_in_a_run_file(tmp_path: Path):
    file = tmp_path / "run.yaml"
    file.write_text('space: s.yaml\nobjective: o.yaml\nmodel: pocket\nschedule: "0 3 * 13 1"\n')
    with pytest.raises(InputError) as raised:
        RunFile.read(file)
    assert "its month is wrong" in raised.value.what
    assert raised.value.where == f"{file}:4"
    file.write_text("space: s\nobjective: o\nmodel: m\nschedule: 0 3 * * 1\ntimezone: Europe/Rom\n")
    with pytest.raises(InputError, match="did you mean 'Europe/Rome'"):
        RunFile.read(file)
    file.write_text("space: s\nobjective: o\nmodel: m\nschedule: 0 3 * * 1\ntimezone: Asia/Tokyo\n")
    assert RunFile.read(file).crons == {"run": Cron("0 3 * * 1", "Asia/Tokyo")}
