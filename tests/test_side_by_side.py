"""Runs at the same time in one workspace: calls are paid once, and decisions take turns."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.test_exit_codes import RUN, folder, server  # noqa: F401 - fixtures
from tests.test_job import job, served

from promptlathe.cli import main
from promptlathe.job import run
from promptlathe.job.runfile import SearchOptions, TrackOptions
from promptlathe.ledger.asking import Asking
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import serve
from promptlathe.track.running import lock_of

EQUAL = """
    import sys
    from pathlib import Path
    from tests.test_job import job
    from promptlathe.job import run
    url, folder = sys.argv[1:]
    model = {"name": "pocket", "base_url": url, "retries": 0, "timeout": 20}
    one = job(Path(folder), model=model, calls=90, concurrency=8)
    sys.stdin.readline()
    print(run(one).spent.calls)
"""


@pytest.mark.slow
async def test_two_equal_jobs_pay_each_call_once(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    async with serve(faults=Faults(latency=0.05)) as service:
        command = [sys.executable, "-c", textwrap.dedent(EQUAL), service.base_url, str(tmp_path)]
        jobs = [
            await asyncio.create_subprocess_exec(
                *command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for _ in range(2)
        ]
        printed = await asyncio.gather(*(one.communicate(b"\n") for one in jobs))
    paid = [int(out) for out, _ in printed]
    assert service.requests == sum(paid)
    assert len(answers_of(tmp_path)) == service.requests


def answers_of(workspace: Path) -> list[str]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(workspace / ".promptlathe" / "ledger.db")) as ledger:
        return [key for (key,) in ledger.execute("SELECT key FROM answers")]


HOLDS = """
import sys
from pathlib import Path
from promptlathe.ledger.asking import Asking
asking = Asking(Path(sys.argv[1]))
print(asking.take("ab" * 8), asking.take("cd" * 8), flush=True)
sys.stdin.readline()
asking.leave("ab" * 8)
print("left", flush=True)
sys.stdin.readline()
"""


def test_a_call_is_another_processs_until_it_is_left_or_ends(tmp_path: Path) -> None:
    file = tmp_path / "asking"
    command = [sys.executable, "-c", HOLDS, str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "True True\n"
        own = Asking(file)
        assert not own.take("ab" * 8)
        assert own.take("ef" * 8)
        other.stdin.write("\n")
        other.stdin.flush()
        other.stdout.readline()
        assert own.take("ab" * 8)
        assert not own.take("cd" * 8)
        other.kill()
        other.wait()
        assert own.take("cd" * 8)
        own.close()
        assert own.take("cd" * 8)


@pytest.mark.slow
async def test_the_second_of_two_runs_meets_the_first_ones_champion(tracked: Path) -> None:
    """Both find a better prompt than the seed; they search differently."""
    async with serve() as service:
        jobs = [
            job(
                tracked,
                model=served(service),
                concurrency=1,
                search=SearchOptions(policy="random", seed=seed, warm_start=False),
                track=TrackOptions(),
            )
            for seed in (0, 1)
        ]
        results = await asyncio.gather(*(asyncio.to_thread(run, one) for one in jobs))
    first, second = sorted(results, key=lambda result: result.opened)
    assert (first.verdict, first.compared_with, first.promoted) == ("better", "seed", 2)
    assert second.compared_with == "champion"
    assert second.champion
    assert second.champion.candidate == first.best.candidate
    assert second.promoted in (None, 3)


def test_check_says_that_another_run_is_under_way(
    folder: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "run.yaml").write_text(RUN.replace("BASE_URL", "http://127.0.0.1:9/v1"))
    with lock_of(folder / ".promptlathe", "abc"):
        said = CliRunner().invoke(main, ["check", "run.yaml"])
        assert said.exit_code == 0, said.output
        assert "another run is under way in this workspace (abc)" in said.stdout
    assert "under way" not in CliRunner().invoke(main, ["check", "run.yaml"]).stdout
