"""`promptlathe ui`: MLflow's server as a child that never outlives us."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from promptlathe.errors import InputError
from promptlathe.track import default_artifacts, default_uri, serve_ui

SERVING = """
import pathlib, sys
from promptlathe.track import default_artifacts, default_uri, serve_ui
state, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
serve_ui(
    default_uri(state),
    default_artifacts(state),
    port=port,
    announce=lambda url: print(url, flush=True),
)
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processes_with(argument: str) -> list[str]:
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:  # it has just ended
            continue
        if argument in words:
            found.append(" ".join(words))
    return found


def test_a_port_that_is_taken(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            serve_ui(default_uri(tmp_path), default_artifacts(tmp_path), port=port)
    assert f"127.0.0.1:{port}: port {port} is already taken" in str(caught.value)
    assert "--port" in str(caught.value)


def test_a_store_that_is_a_server_has_its_own_ui():
    said: list[str] = []
    serve_ui("http://mlflow.example:5000", announce=said.append)
    assert said == ["http://mlflow.example:5000"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped_and_leaves_nothing_behind(state: Path, how: int):
    port = free_port()
    serving = subprocess.Popen(
        [sys.executable, "-c", SERVING, str(state), str(port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout
        url = serving.stdout.readline().strip()
        assert url == f"http://127.0.0.1:{port}"
        with urlopen(url, timeout=10) as page:
            assert b"MLflow" in page.read()
        time.sleep(0.2)  # so that it waits for its child, and not for our page
        serving.send_signal(how)
        assert serving.wait(30) == 0
        assert processes_with(str(port)) == []
    finally:
        serving.kill()
        serving.wait()
