"""One job at a time works on a prompt: a row of `locks`, which its holder keeps fresh.

    free, or stale ──take──→ held ──beat every BEAT s──→ held ──release──→ free

A row is stale when its process is gone, which a machine knows of its own, or when it was not kept
fresh for LEASE seconds: machines whose clocks differ by less than that can share a ledger. Who
takes a stale one over compares and replaces: of two that try, one succeeds.
"""

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import uuid4

import psutil
from sqlalchemy import Connection, delete, select, update

from promptlathe import clock
from promptlathe.ledger.database import insert_new
from promptlathe.ledger.tables import locks

BEAT = 10.0
"""Seconds after which a holder says that it is there."""
LEASE = 60.0
"""Seconds without that after which it counts as gone."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that works on a prompt, or wants to."""

    id: str = field(default_factory=lambda: uuid4().hex)
    machine: str = field(default_factory=lambda: machine())
    """Its name, this start of it, and its world of processes: of containers each has its own."""
    process: int = field(default_factory=os.getpid)
    born: float = field(default_factory=lambda: psutil.Process().create_time())
    """When the process was made, seconds since 1970: numbers are given again."""
    since: str = field(default_factory=lambda: clock.now().isoformat(timespec="seconds"))
    """ISO 8601, UTC."""

    @property
    def words(self) -> str:
        """For people."""
        host = self.machine.partition(" ")[0]
        return f"process {self.process} on {host}, since {self.since[:16].replace('T', ' ')} UTC"

    @property
    def gone(self) -> bool:
        """Its process is no more, as far as this machine knows."""
        if self.machine != machine():
            return False
        try:
            return abs(psutil.Process(self.process).create_time() - self.born) > 1.0
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


@cache
def machine() -> str:
    """This one: its name, and what tells two of the same name apart."""
    parts = [socket.gethostname() or "unknown"]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)[:200]


def take(connection: Connection, dialect: str, prompt: str, me: Holder) -> Holder | None:
    """Hold the prompt's lock, or keep it fresh; the holder, when it is another one that lives."""
    now = time.time()
    mine = {
        "holder": me.id,
        "machine": me.machine,
        "process": me.process,
        "born": me.born,
        "since": me.since,
        "beat": now,
    }
    connection.execute(insert_new(dialect, locks), {"prompt": prompt, **mine})
    row = connection.execute(select(locks).where(locks.c.prompt == prompt)).one_or_none()
    if row is None:  # released between the two
        return take(connection, dialect, prompt, me)
    if row.holder == me.id and row.beat == now:
        return None
    there = Holder(row.holder, row.machine, row.process, row.born, row.since)
    if there.id != me.id and not there.gone and now - row.beat < LEASE:
        return there
    same = (locks.c.prompt == prompt, locks.c.holder == row.holder, locks.c.beat == row.beat)
    if connection.execute(update(locks).where(*same).values(**mine)).rowcount:
        return None
    return there  # somebody else was quicker


def release(connection: Connection, prompt: str, me: Holder) -> None:
    """What this holder does not hold stays as it is."""
    connection.execute(delete(locks).where(locks.c.prompt == prompt, locks.c.holder == me.id))
