"""What kills cost: calls that are paid twice, counted at the server.

    python benchmarks/kills.py [--kills 30] [--concurrency 16] [--calls 1500] [--seed 0]

A job on the embedded model over HTTP (20 ms an answer) is killed (SIGKILL) after a random share of
its calls, and started again, until it was killed often enough; then it may end. Compared with the
same job undisturbed.
"""

import argparse
import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import serve

JOB = """
import sys
sys.path.insert(0, sys.argv[4])
from pathlib import Path
from faults import SPACE, objective
from promptlathe.job import Job, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
url, folder, numbers = sys.argv[1:4]
concurrency, calls = map(int, numbers.split(","))
result = run(Job(
    space=SPACE, objective=objective(400), track=False, workspace=Path(folder),
    model=ModelSettings(name="pocket", base_url=url, timeout=20),
    budget=Budget(calls=calls), search=SearchOptions(policy="random"),
    parallel=ParallelOptions(concurrency=concurrency),
))
print(result.best.candidate, result.verdict, result.run, result.spent.used_calls)
"""


async def job(url: str, folder: str, args: argparse.Namespace, until: int, server: object) -> str:
    """Run it to its end, or kill it once the server has answered `until` more requests."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", JOB, url, folder, f"{args.concurrency},{args.calls}", here]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        goal = server.answered + until  # type: ignore[attr-defined]
        while process.poll() is None:
            await asyncio.sleep(0.002)
            if until and server.answered >= goal:  # type: ignore[attr-defined]
                process.send_signal(signal.SIGKILL)
                process.wait()
                return ""
        assert process.stdout is not None
        return process.stdout.read().strip()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    async with serve(faults=Faults(latency=0.02)) as server:
        with TemporaryDirectory() as folder:
            whole = await job(server.base_url, folder, args, 0, server)
        before, kills, each = server.requests, 0, args.calls / (args.kills + 1)
        with TemporaryDirectory() as folder:
            while kills < args.kills:
                ended = await job(
                    server.base_url,
                    folder,
                    args,
                    max(1, round(each * rng.uniform(0.2, 1.6))),
                    server,
                )
                if ended:
                    break
                kills += 1
            else:
                ended = await job(server.base_url, folder, args, 0, server)
        sent = server.requests - before
    print(f"undisturbed: {whole}")
    print(f"{kills} kills:    {ended}")
    print(f"{sent} requests for {args.calls} calls: {sent - args.calls} paid again, ", end="")
    print(f"{(sent - args.calls) / max(kills, 1):.1f} a kill, {args.concurrency} in flight")


if __name__ == "__main__":
    asyncio.run(main())
