"""Who listens on a port of this machine, as far as the system tells."""

from collections.abc import Iterator

import psutil


def holders(port: int) -> Iterator[psutil.Process]:
    """The processes that listen there, each with those that began it. None where the system does
    not say: a process of somebody else, or none."""
    try:
        found = psutil.net_connections("tcp")
    except psutil.Error:
        return
    for one in found:
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid:  # type: ignore[union-attr]
            try:
                process = psutil.Process(one.pid)
                yield from (process, *process.parents())
            except psutil.Error:
                continue


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; empty where the system does not say."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
