"""A job's schedule, written for a scheduler that people already have: files with their texts."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal, get_args

from cronsim import CronSim

from promptlathe.documents import to_yaml
from promptlathe.errors import InputError
from promptlathe.schedule.entries import Entry

Format = Literal["cron", "systemd", "kubernetes", "github", "airflow", "prefect", "ray"]
FORMATS: tuple[Format, ...] = get_args(Format)
Files = Mapping[str, str]
"""Texts by the files' names."""

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
DAY = timedelta(days=1)


def written(entry: Entry, form: Format) -> Files:
    """The files. Raises InputError for a schedule that this scheduler cannot keep."""
    return _WRITERS[form](entry)


@dataclass(frozen=True)
class _Fields:
    """What a cron expression allows, as sorted numbers; Sunday is 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    both: bool
    """A day must fit as day of the month and of the week; else as one of the two."""

    @property
    def any_day(self) -> bool:
        return len(self.days) == 31

    @property
    def any_weekday(self) -> bool:
        return len(self.weekdays) == 7


def _fields(entry: Entry, form: str) -> _Fields:
    read = CronSim(entry.cron.expression, datetime.now(UTC))
    some = [read.minutes, read.hours, read.days, read.months]
    weekdays = {day % 7 if isinstance(day, int) else day for day in read.weekdays}
    odd = any(not isinstance(one, int) or one < 0 for part in (*some, weekdays) for one in part)
    if odd:
        raise InputError(
            f"{form} has no schedule like {entry.cron.expression!r}: it knows no L, LW or #",
            str(entry.file),
            "use promptlathe schedule run, or write the days as numbers",
        )
    minutes, hours, days, months = (tuple(sorted(one)) for one in some)
    days_of_week = tuple(sorted(day for day in weekdays if isinstance(day, int)))
    return _Fields(minutes, hours, days, months, days_of_week, read.day_and)


def _cron(entry: Entry) -> Files:
    _fields(entry, "cron")
    zone = f"CRON_TZ={entry.cron.zone}\n" if entry.cron.zone else ""
    note = (
        "# CRON_TZ is cronie's (Fedora, Arch, Alpine's package); Debian's cron takes the machine's "
        "zone.\n"
        if zone
        else ""
    )
    line = f"cd {shlex.quote(str(entry.workspace))} && {shlex.join(_words(entry))}"
    escaped = line.replace("%", r"\%")
    text = f"# {entry.name}: {entry.cron.words}\n{note}{zone}{entry.cron.expression} {escaped}\n"
    return {f"{_unit(entry)}.crontab": text}


def _systemd(entry: Entry) -> Files:
    fields = _fields(entry, "systemd")
    name = _unit(entry)
    words = " ".join(_systemd_word(word) for word in _words(entry))
    service = f"""\
[Unit]
Description=promptlathe: {_systemd_text(entry.name)}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={_systemd_text(str(entry.workspace))}
ExecStart={words}
TimeoutStartSec=infinity
TimeoutStopSec=60
"""
    calendars = "\n".join(f"OnCalendar={one}" for one in _calendars(fields, entry.cron.zone))
    timer = f"""\
[Unit]
Description=promptlathe: {_systemd_text(entry.name)}, {entry.cron.words}

[Timer]
{calendars}
# A time that passed while the machine was off is made up once.
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {f"{name}.service": service, f"{name}.timer": timer}


def _calendars(fields: _Fields, zone: str | None) -> Iterator[str]:
    """systemd joins days of the month and of the week by "and"."""
    time = f"{_listed(fields.hours, 24)}:{_listed(fields.minutes, 60)}:00"
    months, days = _listed(fields.months, 12), _listed(fields.days, 31)
    end = f" {zone}" if zone else ""
    names = ",".join(_DAYS[day] for day in fields.weekdays)
    week = "" if fields.any_weekday else f"{names} "
    if fields.both or fields.any_day or fields.any_weekday:
        yield f"{week}*-{months}-{days} {time}{end}"
    else:
        yield f"*-{months}-{days} {time}{end}"
        yield f"{week}*-{months}-* {time}{end}"


def _kubernetes(entry: Entry) -> Files:
    _fields(entry, "kubernetes")
    name = _label(entry)
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 60,
        "containers": [
            {
                "name": "promptlathe",
                "image": "promptlathe:latest",
                "args": [entry.work, _in_workspace(entry), "--quiet"],
                "workingDir": "/work",
                "envFrom": [{"secretRef": {"name": "promptlathe", "optional": True}}],
                "volumeMounts": [{"name": "work", "mountPath": "/work"}],
            }
        ],
        "volumes": [{"name": "work", "persistentVolumeClaim": {"claimName": "promptlathe"}}],
    }
    spec = {
        "schedule": entry.cron.expression,
        **({"timeZone": entry.cron.zone} if entry.cron.zone else {}),
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "jobTemplate": {"spec": {"backoffLimit": 1, "template": {"spec": pod}}},
    }
    content = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": spec,
    }
    head = (
        f"# {entry.name}: {entry.cron.words}\n"
        "# The volume claim `promptlathe` has run files and .promptlathe/, the secret keys.\n"
    )
    return {f"{name}.yaml": head + to_yaml(content)}


def _github(entry: Entry) -> Files:
    fields = _fields(entry, "github")
    by_offset = {
        _offset(offset): _shifted(entry, fields, offset) for offset in _offsets(entry.cron.tz)
    }
    crons = [{"cron": cron} for cron in dict.fromkeys(by_offset.values())]
    steps: list[Mapping[str, object]] = [
        {"uses": "actions/checkout@v5"},
        {"uses": "actions/setup-python@v6", "with": {"python-version": "3.12"}},
        {
            "uses": "actions/cache@v4",
            "with": {
                "path": ".promptlathe",
                "key": "promptlathe-${{ github.run_id }}",
                "restore-keys": "promptlathe-",
            },
        },
        {"run": "pip install promptlathe"},
        {"run": shlex.join(["promptlathe", entry.work, _in_workspace(entry), "--quiet"])},
    ]
    job: dict[str, object] = {"runs-on": "ubuntu-latest", "timeout-minutes": 360}
    if len(crons) > 1:
        zone = entry.cron.zone or str(entry.cron.tz)
        cases = "; ".join(
            f"{shlex.quote(cron)}) want={offset}" for offset, cron in by_offset.items()
        ).replace("; ", ";; ")
        guard = (
            f'case "$CRON" in {cases};; *) exit 0;; esac\n'
            f'test "$(TZ={zone} date +%z)" = "$want" || echo "skip=1" >> "$GITHUB_OUTPUT"\n'
        )
        first = {
            "id": "season",
            "name": "Of the times in summer and in winter, the one of now",
            "env": {"CRON": "${{ github.event.schedule }}"},
            "run": guard,
        }
        steps = [first, *({**one, "if": "${{ !steps.season.outputs.skip }}"} for one in steps)]
    job["env"] = {"OPENAI_API_KEY": "${{ secrets.OPENAI_API_KEY }}"}
    job["steps"] = steps
    content = {
        "name": f"promptlathe {entry.name}",
        "on": {"schedule": crons, "workflow_dispatch": {}},
        "concurrency": {"group": _label(entry)},
        "jobs": {"promptlathe": job},
    }
    head = f"# {entry.cron.words}, in {entry.cron.zone or entry.cron.tz}; GitHub reads UTC.\n"
    return {f"{_unit(entry)}.yml": head + to_yaml(content)}


def _offsets(tz: tzinfo) -> list[timedelta]:
    """Of the zone from UTC, within the coming year."""
    now = datetime.now(UTC)
    days = ((now + n * DAY).astimezone(tz).utcoffset() for n in range(366))
    return sorted({offset for offset in days if offset is not None})


def _shifted(entry: Entry, fields: _Fields, offset: timedelta) -> str:
    """The expression in UTC, in a season. Raises InputError where days would have to differ."""
    shifted = [
        divmod(60 * hour + minute - int(offset.total_seconds()) // 60, 1440)
        for hour in fields.hours
        for minute in fields.minutes
    ]
    days = {day for day, _ in shifted}
    hours = sorted({time // 60 for _, time in shifted})
    minutes = sorted({time % 60 for _, time in shifted})
    across = days != {0}
    whole = len(hours) * len(minutes) == len(shifted)
    every = fields.any_day and fields.any_weekday and len(fields.months) == 12
    weekly = fields.any_day and len(fields.months) == 12 and len(days) == 1
    if not whole or (across and not (every or weekly)):
        raise InputError(
            f"github reads schedules in UTC, where {entry.cron.expression!r} of "
            f"{entry.cron.zone or entry.cron.tz} is another day",
            str(entry.file),
            "choose a time that is on the same day in UTC, or timezone: UTC",
        )
    shift = next(iter(days)) if weekly else 0
    weekdays = sorted({(day + shift) % 7 for day in fields.weekdays})
    own = entry.cron.expression.split()[0]
    minute = own if tuple(minutes) == fields.minutes else _numbers(minutes, 60)
    hour = _numbers(hours, 24)
    of_month, month = _numbers(fields.days, 31), _numbers(fields.months, 12)
    return f"{minute} {hour} {of_month} {month} {_numbers(weekdays, 7)}"


def _airflow(entry: Entry) -> Files:
    _fields(entry, "airflow")
    command = f"cd {shlex.quote(str(entry.workspace))} && {shlex.join(_words(entry))}"
    # Airflow renders commands with Jinja.
    quoted = f"{{% raw %}}{command}{{% endraw %}}" if "{" in command else command
    text = f'''\
"""{entry.name}: {entry.cron.words}."""

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable

with DAG(
    dag_id={_label(entry)!r},
    schedule=CronTriggerTimetable({entry.cron.expression!r}, timezone={_zone(entry)!r}),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
):
    BashOperator(task_id="run", bash_command={quoted!r})
'''
    return {f"{_python(entry)}_dag.py": text}


def _prefect(entry: Entry) -> Files:
    text = f'''\
"""{entry.name}: {entry.cron.words}. Start it once: python {_python(entry)}_flow.py"""

import subprocess

from prefect import flow
from prefect.schedules import Cron


@flow(name={_label(entry)!r})
def job() -> None:
    subprocess.run({_words(entry)!r}, cwd={str(entry.workspace)!r}, check=True)


if __name__ == "__main__":
    job.serve(
        name={_label(entry)!r},
        schedule=Cron({entry.cron.expression!r}, timezone={_zone(entry)!r}),
        limit=1,
    )
'''
    _fields(entry, "prefect")
    return {f"{_python(entry)}_flow.py": text}


def _ray(entry: Entry) -> Files:
    words = [_program(), "schedule", "run", str(entry.file), "--workspace", str(entry.workspace)]
    text = f'''\
"""{entry.name}: {entry.cron.words}.

Ray has no clock: this submits a job that waits for the times (pip install "ray[default]"). Start it
once, and again when the cluster was restarted; the folder must be there on the head node.
"""

import os

from ray.job_submission import JobSubmissionClient

client = JobSubmissionClient(os.environ.get("RAY_ADDRESS", "http://127.0.0.1:8265"))
print(client.submit_job(entrypoint={shlex.join(words)!r}))
'''
    return {f"{_python(entry)}_ray.py": text}


_WRITERS: Mapping[Format, Callable[[Entry], Files]] = {
    "cron": _cron,
    "systemd": _systemd,
    "kubernetes": _kubernetes,
    "github": _github,
    "airflow": _airflow,
    "prefect": _prefect,
    "ray": _ray,
}


def _program() -> str:
    """This one, by its whole path: a scheduler has no PATH."""
    return str(Path(sys.executable).with_name("promptlathe"))


def _words(entry: Entry) -> list[str]:
    return [_program(), entry.work, _in_workspace(entry), "--quiet", "--log", f"{entry.name}.log"]


def _in_workspace(entry: Entry) -> str:
    """The run file as it is named from the workspace."""
    inside = entry.file.is_relative_to(entry.workspace.resolve())
    return str(entry.file.relative_to(entry.workspace.resolve()) if inside else entry.file)


def _unit(entry: Entry) -> str:
    return f"promptlathe-{entry.name}"


def _label(entry: Entry) -> str:
    """A name as DNS has them, of 52 characters at most."""
    made = re.sub(r"[^a-z0-9]+", "-", _unit(entry).lower())
    return made[:52].strip("-")


def _python(entry: Entry) -> str:
    return re.sub(r"\W+", "_", entry.name)


def _zone(entry: Entry) -> str:
    return entry.cron.zone or str(entry.cron.tz)


def _offset(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def _listed(numbers: tuple[int, ...], many: int) -> str:
    return "*" if len(numbers) == many else ",".join(f"{one:02}" for one in numbers)


def _numbers(numbers: "list[int] | tuple[int, ...]", many: int) -> str:
    return "*" if len(numbers) == many else ",".join(map(str, numbers))


def _systemd_text(text: str) -> str:
    return text.replace("%", "%%")


def _systemd_word(word: str) -> str:
    r"""In ExecStart: quoted, `%` and `$` doubled."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if re.search(r"[\s;'\"\\]", word) else escaped
