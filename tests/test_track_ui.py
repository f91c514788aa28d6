"""`promptlathe ui`: MLflow's server as a child that never outlives us."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from tests.jobs import OBJECTIVE, answers_file

import promptlathe as pl
from promptlathe.cli import main
from promptlathe.errors import InputError
from promptlathe.ledger import Ledger, sqlite_url
from promptlathe.results.kept import keep
from promptlathe.track import default_artifacts, default_uri, serve_ui
from promptlathe.track.ui import run_page

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
    by = f"by the process {os.getpid()}"
    assert f"127.0.0.1:{port}: port {port} is already taken {by}" in str(caught.value)
    assert "--port" in str(caught.value)


def test_a_store_that_is_a_server_has_its_own_ui():
    said: list[str] = []
    serve_ui("http://mlflow.example:5000", announce=said.append)
    assert said == ["http://mlflow.example:5000"]


class Api(BaseHTTPRequestHandler):
    """What MLflow's server says of a run."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        info = {"run_id": query["run_id"][0], "experiment_id": "7"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"run": {"info": info}}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_after_a_run_on_a_server_its_page_there_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda page: bool(opened.append(page)))
    result = pl.optimize(
        pl.SearchSpace(
            messages={"user": "{{ task }} {{ text }}"},
            components={"task": pl.Choice(["Read.", "Answer with the label only."])},
        ),
        OBJECTIVE,
        budget=pl.Budget(calls=150),
        track=False,
        workspace=tmp_path,
    )
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        kept = replace(result, run_id="f" * 32, facts=replace(result.facts, store=url))
        ledger = Ledger(sqlite_url(answers_file(tmp_path)))
        keep(ledger, kept)
        ledger.close()
        done = CliRunner().invoke(main, ["ui", "--open", "--workspace", str(tmp_path)])
        server.shutdown()
        thread.join()
    page = f"{url}/#/experiments/7/runs/{'f' * 32}"
    assert done.stdout == f"MLflow's UI: {page}  (it runs already)\n"
    assert opened == [page]
    assert "no browser was found" in done.stderr


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
        said: list[str] = []
        serve_ui(default_uri(state), default_artifacts(state), port=port, announce=said.append)
        assert said == [url]  # the second one says where the first one is
        with pytest.raises(InputError, match=r"already taken by the process \d+: .* mlflow server"):
            serve_ui(default_uri(state / "other"), None, port=port)
        assert run_page(url, "f" * 32) == url  # nobody knows it
        time.sleep(0.2)  # so that it waits for its child, and not for our page
        serving.send_signal(how)
        assert serving.wait(30) == 0
        assert processes_with(str(port)) == []
    finally:
        serving.kill()
        serving.wait()
