"""A PostgreSQL server of the tests' own, where one is installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

NOBODY = 65534
"""User and group that it runs as when the tests are root's: it refuses that."""


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`: the newest version's; None when none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return Path(there).resolve().parent if there else None


def _version(program: Path) -> float:
    return float(program.parent.parent.name)


@dataclass
class Postgres:
    """Started and stopped by `pg_ctl`; databases are made as they are needed."""

    bin: Path
    folder: Path
    port: int
    _made: int = 0

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def url(self) -> str:
        """A new database."""
        self._made += 1
        name = f"test{self._made}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tests", name)
        return f"postgresql+psycopg://tests@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [str(self.bin / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            env={"PGDATA": str(self.folder / "data"), "PATH": os.environ["PATH"], "LC_ALL": "C"},
            cwd="/",
            **user,
        )


@contextmanager
def postgres() -> Generator[Postgres | None]:
    """A server on a free port of this machine; None where PostgreSQL is not installed."""
    there = programs()
    if there is None:
        yield None
        return
    folder = Path(mkdtemp(prefix="promptlathe-pg-"))  # short: sockets have short names
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Postgres(there, folder, free.getsockname()[1])
    try:
        server._run("initdb", "-E", "UTF8", "-A", "trust", "-U", "tests", "--no-sync")
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
