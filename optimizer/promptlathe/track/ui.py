"""MLflow's own web UI on a store, for as long as somebody looks at it."""

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from http.client import HTTPException
from typing import IO
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from promptlathe.documents import hiding, shown_url
from promptlathe.errors import InputError, PromptlatheError
from promptlathe.interrupts import sigterm_as_interrupt
from promptlathe.track.backend import environment
from promptlathe.track.listeners import holders, words_of
from promptlathe.track.store import check_store, is_server

START_SECONDS = 120.0
STOP_SECONDS = 10.0
ASK_SECONDS = 5.0
"""For which a server is asked for a run."""
MOST_WORDS = 120
"""Characters of another program's command line."""
_STORE = "--backend-store-uri"


def serve_ui(
    uri: str,
    artifacts: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    announce: Callable[[str], None] = print,
    starting: Callable[[], object] = lambda: None,
) -> None:
    """Serve the UI until Ctrl-C; `announce` gets the URL as soon as it answers.

    starting: told before what takes seconds.

    One worker and no job runners: 5–10 s to start instead of 23. A store that is itself a
    server has its UI already, and so has one that is served on this port: only the URL is
    announced. Raises InputError for a port that another program holds, or a store that cannot be
    used.
    """
    if url := serves_already(uri, host, port):
        announce(url)
        return
    check_store(uri)
    check_port(host, port)
    starting()
    with (
        contextlib.suppress(KeyboardInterrupt),
        sigterm_as_interrupt(),
        ui_server(uri, artifacts, host=host, port=port) as (url, process),
    ):
        announce(url)
        process.wait()


@contextlib.contextmanager
def ui_server(
    uri: str, artifacts: str | None, *, host: str, port: int
) -> "Generator[tuple[str, subprocess.Popen[bytes]]]":
    """A running server: its URL, once it answers, and its process. It is gone afterwards."""
    command = [sys.executable, "-m", "mlflow", "server", _STORE, uri]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    command += ["--default-artifact-root", artifacts] if artifacts else []
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            command,
            env=environment() | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C reaches us alone, and we can end all of it.
            start_new_session=True,
        )
        try:
            url = f"http://{_reachable(host)}:{port}"
            _wait(process, url, printed)
            yield url, process
        finally:
            _stop(process)


def serves_already(uri: str, host: str, port: int) -> str | None:
    """The URL of a UI on this store that needs no start: a server's own, or ours on this port."""
    if is_server(uri):
        return shown_url(uri)
    served = [words_of(one) for one in holders(port)]
    ours = any(
        _STORE in words and words[words.index(_STORE) + 1 :][:1] == [uri] for words in served
    )
    return f"http://{_reachable(host)}:{port}" if ours else None


def run_page(url: str, run: str | None) -> str:
    """The page of a run in a UI that answers at `url`; the first page where there is none."""
    if run is None:
        return url
    asked = f"{url}/api/2.0/mlflow/runs/get?{urlencode({'run_id': run})}"
    with contextlib.suppress(OSError, HTTPException, ValueError, LookupError, TypeError):
        with urlopen(asked, timeout=ASK_SECONDS) as response:
            experiment = json.load(response)["run"]["info"]["experiment_id"]
        return f"{url}/#/experiments/{experiment}/runs/{run}"
    return url


def check_port(host: str, port: int) -> None:
    """Raise InputError when nothing could listen there."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError, ValueError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        other = f"choose another one, such as --port {port + 1 if port < 65535 else 5001}"
        raise InputError(
            f"port {port} is already taken{_by(port)}" if taken else f"cannot listen: {error}",
            f"{host}:{port}",
            other if taken else "give an address of this machine with --host, and a free --port",
        ) from error


def _by(port: int) -> str:
    """The program that holds a port, in words."""
    known = [(one.pid, words) for one in holders(port) if (words := words_of(one))]
    if not known:
        return " by another program"
    servers = [one for one in known if _STORE in one[1]]  # MLflow's, whose child listens
    pid, words = (servers or known)[0]
    return f" by the process {pid}: {shown(words)}"


def shown(words: list[str]) -> str:
    """A command line in short, without passwords."""
    line = hiding()(" ".join(words))
    return line if len(line) <= MOST_WORDS else f"{line[:MOST_WORDS]}…"


def _reachable(host: str) -> str:
    """`host` as a browser on this machine names it."""
    if host in {"0.0.0.0", "::"}:
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _wait(process: "subprocess.Popen[bytes]", url: str, printed: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with (
            contextlib.suppress(OSError, HTTPException),
            urlopen(f"{url}/health", timeout=2) as response,
        ):
            if response.status == 200 and _is_ours(process, url):
                return
        time.sleep(0.1)
    if (port := urlsplit(url).port) and any(holders(port)):
        check_port(urlsplit(url).hostname or "", port)
    printed.seek(0)
    lines = printed.read().decode("utf-8", "replace").strip().splitlines()
    raise PromptlatheError(f"the MLflow server did not start: {lines[-1] if lines else 'no word'}")


def _is_ours(process: "subprocess.Popen[bytes]", url: str) -> bool:
    """Whether our server answers, and not another one that began on the port at the same time."""
    found = [one.pid for one in holders(urlsplit(url).port or 0)]
    return not found or process.pid in found


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and its workers, and wait until they are gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            deadline = time.monotonic() + STOP_SECONDS
            while time.monotonic() < deadline:
                process.poll()  # reaps it: a zombie still counts as a member of the group
                os.killpg(process.pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            return
