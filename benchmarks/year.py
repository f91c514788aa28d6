"""A year of nights in minutes: scheduled runs, daily looks, a model that changes, kills, outages.

    python benchmarks/year.py [--days 365] [--seed 1] [--keep FOLDER]

A scheduler (the real one, on a clock that this script moves) serves one run file: a search each
Monday at 3:00, a look each day at 6:00 with `on_drift: optimize`; on the first of each month old
runs are pruned. The service is a simulated model over HTTP; what each prompt is truly worth is
known. In the year:

    two changes of the model     some tickets that it knew are wrong from then on
    one retirement               the service tells of it for 60 days, then the model is gone; a week
                                 before a person names the next one in the run file
    ten kills                    of the process of a run, while it makes calls
    three outages                of a day each: every call is answered with 503

Printed: every alarm with the change that explains it, every promotion with the true gain, calls
that runs paid more than once (looks ask anew by design), failures, sizes of the stores, seconds.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from click.testing import CliRunner

from promptlathe import clock
from promptlathe.cli import main as cli
from promptlathe.schedule import loop
from promptlathe.schedule.entries import Entry
from promptlathe.schedule.loop import Scheduler
from promptlathe.schedule.starting import Ended

START = datetime(2027, 1, 1, 12, tzinfo=UTC)
TEAMS = ("billing", "login", "delivery", "returns")
ROWS = 400
TASKS = ["Name the team.", "Which team?", "Read the ticket and name the team.", "Team:"]
FORMS = ["Say which.", "Answer with the label only.", "One word.", "Label, nothing else."]
NOISE = 0.03
"""Of the answers of a day those that are otherwise than ever."""
TONES = [None, "Be exact.", "Think of the customer.", "Be quick."]


def unit(*content: object) -> float:
    """From 0 to 1, the same for the same content."""
    digest = hashlib.sha256(repr(content).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass
class Service:
    """Models m1 and m2; what they know depends on the prompt, the ticket, and the day."""

    today: Callable[[], datetime]
    changes: list[date]
    retired: date
    outages: set[date]
    seed: int
    looking: bool = False
    """Requests are a look's."""
    alarms: int = 0
    """So far: each sets the answers from before it aside, so that they are asked again."""
    paid: Counter[tuple[int, str, str]] = field(default_factory=Counter[tuple[int, str, str]])
    calls: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)

    def lost(self) -> float:
        """The share of tickets that are wrong since the model changed."""
        return 0.12 * sum(self.today().date() >= day for day in self.changes)

    def worth(self, model: str, system: str) -> float:
        """How many tickets a prompt gets right, but for what was lost."""
        texts = [one for part in (TASKS, FORMS, TONES) for one in part[1:] if one]
        gains = sum(0.15 * unit(model, one) for one in texts if one in system)
        return min(0.98, 0.55 + gains + 0.02 * unit(model, system))

    def knows(self, model: str, system: str, number: int) -> bool:
        if unit("lost", model, number) < self.lost():
            return False
        return unit("row", model, number, system[:7]) < self.worth(model, system)

    async def answer(self, request: web.Request) -> web.Response:
        today = self.today().date()
        if today in self.outages:
            return web.Response(status=503)
        if request.method == "GET":
            models: list[dict[str, Any]] = [{"id": "m1"}, {"id": "m2"}]
            if today >= self.retired - timedelta(days=60):
                models[0]["shutdown_date"] = str(self.retired)
            return web.json_response({"data": models[today >= self.retired :]})
        body = await request.json()
        model, messages = body["model"], body["messages"]
        if model == "m1" and today >= self.retired:
            return web.Response(status=404)
        number = int(messages[-1]["content"].split()[1])
        system = messages[0]["content"]
        known = self.knows(model, system, number)
        if unit("noise", self.seed, today, model, system, number) < NOISE:
            known = not known
        self.calls += 1
        if not self.looking:
            self.paid[self.alarms, model, json.dumps(messages)] += 1
        self.arrived.set()
        await asyncio.sleep(0.002)
        text = TEAMS[number % 4] if known else "nobody"
        choice = {"index": 0, "finish_reason": "stop"}
        return web.json_response(
            {
                "choices": [{**choice, "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": 20, "completion_tokens": 2},
            }
        )


def lay_out(folder: Path, url: str, model: str) -> Path:
    """The workspace; its run file."""
    content = {
        "search_spaces/space.yaml": {
            "messages": {"system": "{{ task }} {{ form }} {{ tone }}", "user": "{{ text }}"},
            "components": {
                "task": {"choice": TASKS},
                "form": {"choice": FORMS},
                "tone": {"choice": TONES},
            },
        },
        "objectives/objective.yaml": {
            "dataset": [
                {"text": f"Ticket {number}", "label": TEAMS[number % 4]} for number in range(ROWS)
            ],
            "scorers": [{"exact_match": {"target": "label"}}],
            "splits": {"train": 0.1, "select": 0.4, "test": 0.5},
        },
        "runs/teams.yaml": {
            "space": "../search_spaces/space.yaml",
            "objective": "../objectives/objective.yaml",
            "model": {"name": model, "base_url": url, "retries": 1, "outage": 2},
            "budget": {"calls": 900},
            "report": False,
            "track": {"prompt": "teams"},
            "schedule": "0 3 * * 1",
            "timezone": "UTC",
            "watch": {"rows": 60, "schedule": "0 6 * * *", "on_drift": "optimize"},
        },
    }
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(data, indent=1))
    return folder / "runs" / "teams.yaml"


class Year:
    """The scheduler's world: its clock, its jobs, and what happens on which day."""

    def __init__(self, days: int, seed: int, folder: Path) -> None:
        self.now = START
        self.days, self.folder = days, folder
        self._rng = random.Random(seed)
        at = [self._day(share) for share in (0.3, 0.7)]
        retired = self._day(0.55)
        self.outages = {self._day(share) for share in (0.12, 0.45, 0.88)}
        self.service = Service(lambda: self.now, at, retired, self.outages, seed)
        mondays = [n for n in range(days) if (START + timedelta(days=n)).weekday() == 0]
        picked = self._rng.sample(mondays, min(10, len(mondays)))
        self.kills = {(START + timedelta(days=n)).date() for n in picked}
        self.killed = 0
        self.said: list[str] = []
        self.ended: Counter[str] = Counter()
        self.drifts: list[dict[str, Any]] = []
        self.url = ""

    def _day(self, share: float) -> date:
        return (START + timedelta(days=int(share * self.days))).date()

    async def live(self) -> None:
        runner = web.AppRunner(self._app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        file = lay_out(self.folder, self.url, "m1")
        end, moved = START + timedelta(days=self.days), self.service.retired - timedelta(days=7)

        async def sleep(seconds: float) -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            self.now += timedelta(seconds=seconds)
            if self.now.date() >= moved and '"m1"' in file.read_text():
                lay_out(self.folder, self.url, "m2")
                self.say("a person names m2 in the run file")
            if self.now >= end:
                raise asyncio.CancelledError
            if busy():
                await asyncio.sleep(0.02)
                self.now -= timedelta(seconds=seconds)  # a job takes no time of the year

        scheduler = Scheduler(
            [file], workspace=self.folder, say=self.say, start=self.start, sleep=sleep
        )
        self._running = 0

        def busy() -> bool:
            return self._running > 0

        with contextlib.suppress(asyncio.CancelledError):
            await scheduler.serve()
        await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.service.answer)
        return app

    def say(self, line: str) -> None:
        self.said.append(line)
        if ": next " not in line and ": begun" not in line:
            print(f"{self.now:%Y-%m-%d %H:%M} {line}", flush=True)

    async def start(self, entry: Entry, began: Callable[[int], object]) -> Ended:
        self._running += 1
        try:
            ended = await (self._look(entry) if entry.work == "watch" else self._run(entry, began))
        finally:
            self._running -= 1
        self.ended[f"{entry.work}: exit code {ended.code}"] += 1
        return ended

    async def _look(self, entry: Entry) -> Ended:
        out = self.folder / "look.json"
        command = ["watch", str(entry.file), "--quiet", "--json", str(out)]
        self.service.looking = True
        try:
            said = await asyncio.to_thread(CliRunner().invoke, cli, command)
        finally:
            self.service.looking = False
        found = json.loads(out.read_text())
        if found.get("new"):
            self.drifts.append({**found, "day": self.now.date()})
            self.service.alarms += 1
        if self.now.day == 1:
            prune = ["prune", "--keep", "8", "--workspace", str(self.folder)]
            await asyncio.to_thread(CliRunner().invoke, cli, prune)
        return Ended(said.exit_code, found)

    async def _run(self, entry: Entry, began: Callable[[int], object]) -> Ended:
        """In a process of its own, at this moment; one that is killed is begun again."""
        out = self.folder / "run.json"
        child = [sys.executable, __file__, "--at", self.now.isoformat(), "run", str(entry.file)]
        while True:
            self.service.arrived.clear()
            process = await asyncio.create_subprocess_exec(
                *(*child, "--quiet", "--json", str(out)),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            began(process.pid)
            if self.now.date() in self.kills:
                await self._kill(process)
            code = await process.wait()
            if code != -signal.SIGKILL:
                break
        found = json.loads(out.read_text())
        return Ended(code, found)

    async def _kill(self, process: "asyncio.subprocess.Process") -> None:
        while process.returncode is None and not self.service.arrived.is_set():
            await asyncio.sleep(0.02)
        await asyncio.sleep(self._rng.uniform(0.05, 1.0))
        if process.returncode is None:
            process.kill()
            self.killed += 1
            self.kills.discard(self.now.date())

    def tell(self, seconds: float) -> None:
        print(f"\n{self.days} days in {seconds:.0f} s, {self.service.calls:,} calls answered")
        print("commands", dict(self.ended), "kills", self.killed)
        changes = [*self.service.changes]
        for one in self.drifts:
            why = max((day for day in changes if day <= one["day"]), default="NOTHING")
            said = f"{100 * one['drop']:.0f} points since {one['began'][:10]}"
            print(f"alarm {one['day']}: {said}; explained by the change of {why}")
        paid = self.service.paid
        print(f"calls of runs that were paid again: {paid.total() - len(paid)}", end="; ")
        print(f"asked anew after an alarm: {len(paid) - len({key[1:] for key in paid})}")
        self._promotions()
        for name in ("ledger.db", "mlflow.db"):
            size = (self.folder / ".promptlathe" / name).stat().st_size / 1e6
            print(f"{name}: {size:.1f} MB")

    def _promotions(self) -> None:
        from mlflow.tracking import MlflowClient

        from promptlathe.track import default_uri

        uri = default_uri(self.folder / ".promptlathe")
        client = MlflowClient(uri, uri)
        versions = sorted(client.search_prompt_versions("teams"), key=lambda v: int(v.version))
        before: dict[str, float] = {}
        for version in versions:
            system = version.template[0]["content"]
            model = version.model_config["model_name"]
            true = self.service.worth(model, system)
            old = before.get(model)
            gain = "first on this model" if old is None else f"true gain {true - old:+.3f}"
            print(f"version {version.version} {model} worth {true:.3f}: {gain}")
            before[model] = true


def child(at: str, command: list[str]) -> None:
    """From this moment on, as quickly as the machine's own clock."""
    moment, began = datetime.fromisoformat(at), time.monotonic()
    with clock.told_by(lambda: moment + timedelta(seconds=time.monotonic() - began)):
        cli(command)


def main() -> None:
    if "--at" in sys.argv[1:2]:
        child(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the workspace there")
    args = parser.parse_args()
    loop.LOOK = 3600.0  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        year = Year(args.days, args.seed, (args.keep or Path(folder)).resolve())
        began = time.monotonic()
        os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
        with clock.told_by(lambda: year.now):
            asyncio.run(year.live())
        year.tell(time.monotonic() - began)


if __name__ == "__main__":
    main()
