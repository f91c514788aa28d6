"""Twenty jobs in one workspace at the same moment: no call is paid twice.

    python benchmarks/side_by_side.py [--jobs 20]

Each job is a process of its own, `promptlathe run` on a run file of its own, with a prompt name of
its own; all have the same space, rows and model, so that most of their calls are equal. The service
counts what arrives, the ledger has one answer for each call (a cell that is asked again on purpose
is another call). Printed: exit codes, calls that the jobs wanted, that arrived, and that are kept.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from aiohttp import web

TEAMS = ("billing", "login", "delivery")


class Service:
    def __init__(self) -> None:
        self.arrived = 0

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"data": []})
        body = await request.read()
        self.arrived += 1
        await asyncio.sleep(0.05)
        messages = json.loads(body)["messages"]
        number = int(messages[-1]["content"].split()[1])
        known = number % 10 < 6 + 3 * ("Name" in messages[0]["content"])
        return web.json_response(
            {
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {
                            "role": "assistant",
                            "content": TEAMS[number % 3] if known else "nobody",
                        },
                    }
                ],
                "usage": {"prompt_tokens": 20, "completion_tokens": 2},
            }
        )


def lay_out(folder: Path, url: str, jobs: int) -> list[Path]:
    (folder / "runs").mkdir()
    rows = [{"text": f"Ticket {n}", "label": TEAMS[n % 3]} for n in range(150)]
    tasks = ["Which team?", "Name the team.", "Read, then say the team.", "Team:"]
    content = {
        "space": {
            "messages": {"system": "{{ task }}", "user": "{{ text }}"},
            "components": {"task": {"choice": tasks}},
        },
        "objective": {"dataset": rows, "scorers": [{"exact_match": {"target": "label"}}]},
        "model": {"name": "m", "base_url": url},
        "budget": {"calls": 400},
        "report": False,
    }
    files: list[Path] = []
    for number in range(jobs):
        files.append(folder / "runs" / f"job{number}.yaml")
        files[-1].write_text(json.dumps(content | {"track": {"prompt": f"teams{number}"}}))
    return files


async def main(jobs: int) -> None:
    service, app = Service(), web.Application()
    app.router.add_route("*", "/{any:.*}", service.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    with tempfile.TemporaryDirectory() as name:
        files = lay_out(Path(name), f"http://{host}:{port}/v1", jobs)
        began = time.perf_counter()
        running = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "promptlathe", "run", str(file), "--quiet"),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            for file in files
        ]
        told = await asyncio.gather(*(one.communicate() for one in running))
        seconds = time.perf_counter() - began
        with closing(sqlite3.connect(Path(name) / ".promptlathe" / "ledger.db")) as ledger:
            (kept,) = ledger.execute("SELECT count(*) FROM answers").fetchone()
            (wanted,) = ledger.execute("SELECT count(*) FROM told").fetchone()
    codes = Counter(one.returncode for one in running)
    said = {err.decode().strip().splitlines()[-1] for _, err in told if err.strip()}
    print(f"{jobs} jobs in {seconds:.0f} s; exit codes {dict(codes)}")
    print(f"{wanted:,} calls wanted, {service.arrived:,} arrived, {kept:,} answers kept: ", end="")
    print(f"{service.arrived - kept} paid twice")
    for line in sorted(said):
        print(f"said: {line}")
    await runner.cleanup()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    arguments.add_argument("--jobs", type=int, default=20)
    asyncio.run(main(arguments.parse_args().jobs))
