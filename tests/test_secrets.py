"""Passwords and keys in addresses: hidden wherever an address is shown, stored or told."""

import asyncio
import json
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr

import promptlathe as pl
from promptlathe.documents import Document, hiding, parse, secrets_of, shown_url
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.resolved import resolved
from promptlathe.job.runfile import TrackOptions
from promptlathe.ledger import Ledger, check_ledger
from promptlathe.models import ModelSettings, check_key
from promptlathe.models.openai_compatible import OpenAICompatibleModel, address
from promptlathe.records import Failure, Message, Prompt
from promptlathe.track import About, Conclusion, MlflowTracker, check_store
from promptlathe.track.backend import unusable

CANARY = "c4n4ry"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/v1", "https://host/v1"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://me:c4n4ry@host/v1", "https://me:***@host/v1"),
        ("https://c4n4ry@host/v1", "https://***@host/v1"),
        ("HTTPS://c4n4ry@host", "HTTPS://***@host"),
        ("https://host/run/@cf/model:x@y", "https://host/run/@cf/model:x@y"),
        ("https://host:443/run/@cf", "https://host:443/run/@cf"),
        ("http://me:c4n/4ry@host", "http://me:***@host"),
        ("https://h/v1?api-version=2&API-Key=c4n4ry", "https://h/v1?api-version=2&API-Key=***"),
        ("https://h/v1?a=1&sig=c4n4ry&b=2", "https://h/v1?a=1&sig=***&b=2"),
        ("https://h/v1#access_token=c4n4ry", "https://h/v1#access_token=***"),
        ("postgresql+psycopg://me:c4n4ry@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql://me:c4n@4ry@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:c4n/4ry@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:c4n ?4ry@host/db", "postgresql://me:***@host/db"),
        ("postgresql:/me:c4n4ry@host/db", "postgresql:/me:***@host/db"),
        ("postgresql://host/db?password=c4n4ry", "postgresql://host/db?password=***"),
        ("me:c4n4ry@host/db", "me:***@host/db"),
        ("sqlite:////home/me@work:1/l.db", "sqlite:////home/me@work:1/l.db"),
        ("sqlite:///l.db?key=c4n4ry", "sqlite:///l.db?key=***"),
        ("databricks://profile", "databricks://profile"),
    ],
)
def test_an_address_as_it_is_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert (shown != url) == bool(secrets_of(url))
    for secret in secrets_of(url):
        assert secret not in shown


def test_texts_of_others_are_cleaned() -> None:
    hide = hiding("sk-c4n4ry", *secrets_of("postgresql://me:c4n@4r%2Fy@host"))
    assert hide("Incorrect key sk-c4n4ry.") == "Incorrect key ***."
    assert hide('could not translate host name "4r/y@host"') == (
        'could not translate host name "***@host"'
    )
    assert hide("via 'http://me:pass@proxy:1', https://h?key=z.") == (
        "via 'http://me:***@proxy:1', https://h?key=***"
    )
    assert hiding("k", "")("a key") == "a key"  # a letter is no secret


@pytest.mark.parametrize(
    "url", ["https://me:c4n4ry@host/v1", "https://c4n4ry@host/v1", "https://host/v1?key=c4n4ry"]
)
def test_a_key_in_a_models_address_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the run file, and from the environment, where nothing else would look."""
    with pytest.raises(InputError, match=r"(?s)a key does not belong .*api_key_env") as caught:
        parse(ModelSettings, Document({"name": "m", "base_url": url}))
    assert CANARY not in str(caught.value)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    with pytest.raises(InputError, match=r"a key does not belong .*of OPENAI_BASE_URL") as caught:
        check_key(ModelSettings(name="m"))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "https://", "https://host:c4n4ry/v1", "https://[1/v1", "ftp://h"]
)
def test_what_is_no_web_address_is_named(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="is not a web address"):
        parse(ModelSettings, Document({"name": "m", "base_url": url}))
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(InputError, match=r"is not a web address .of OPENAI_BASE_URL"):
        _ = ModelSettings(name="m").endpoint


def test_a_query_stays_behind_the_path() -> None:
    assert (
        address("https://h/v1?api-version=2", "/chat/completions")
        == "https://h/v1/chat/completions?api-version=2"
    )
    assert address("https://h", "/chat/completions") == "https://h/chat/completions"


async def test_a_proxys_password_is_in_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:{CANARY}@127.0.0.1:9")
        settings = ModelSettings(name="m", base_url=f"{scheme}://service.example/v1")
        model = OpenAICompatibleModel(settings, SecretStr("sk-1"))
        reply = await model.answer(settings.call([]))
        await model.close()
        assert isinstance(reply, Failure)
        assert (reply.reason, reply.billed) == ("connection", 0)
        assert CANARY not in reply.detail


DATABASES = [
    "sqlite://me:c4n4ry@host/x",
    "nonesuch://me:c4n4ry@host/db",
    "postgresql+nonesuch://me:c4n4ry@host/db",
    "postgresql://me@host:c4n4ry@x/db",
    "postgresql:/me:c4n4ry@host/db",
    "me:c4n4ry@host/db",
    "sqlite:////dev/null/l.db?password=c4n4ry",
]


@pytest.mark.parametrize("url", DATABASES)
def test_a_ledger_that_cannot_be_used_keeps_its_password(url: str) -> None:
    with pytest.raises(InputError, match="the ledger cannot be used") as opened:
        Ledger(url)
    assert CANARY not in str(opened.value)
    if "/dev/null" not in url:  # a file that is not there is made later
        with pytest.raises(InputError, match="the ledger cannot be used") as checked:
            check_ledger(url)
        assert CANARY not in str(checked.value)


@pytest.mark.parametrize(
    "uri",
    [
        "nonesuch://me:c4n4ry@host/db",
        "http://me:c4n4ry@127.0.0.1:9",
        "http://me:c4/n4ry@127.0.0.1",
        "http://me:c4n4ry@[host",
        "https://c4n4ry@127.0.0.1:9/x?token=c4n4ry",
        "me:c4n4ry@host/db",
        "file://me:c4n4ry@host/runs",
        "sqlite:////dev/null/m.db?password=c4n4ry",
    ],
)
def test_a_store_that_cannot_be_used_keeps_its_password(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    try:
        told = check_store(uri)  # of a server that is away
    except InputError as error:
        told = str(error)
    assert told
    for part in (CANARY, "c4/n4ry", "n4ry"):
        assert part not in told
    said = unusable(uri, ValueError(f"API request to {uri}/api failed, as did {CANARY}"))
    assert CANARY not in str(said)


@pytest.mark.parametrize(
    "line",
    [f"track: http://me:{CANARY}@host", f"ledger: {{url: 'pg://me:{CANARY}@h'}}"],
)
def test_a_mistake_in_a_run_file_tells_no_password(line: str, tmp_path: Path) -> None:
    """What was found is told, where keys or a text were expected."""
    path = tmp_path / "run.yaml"
    path.write_text(f"space: s.yaml\nobjective: o.yaml\nmodel: pocket\n{line}\n")
    with pytest.raises(InputError, match=r"expected .*, found") as caught:
        Job.load(path)
    assert CANARY not in str(caught.value)


def test_the_resolved_run_file_has_no_password(tmp_path: Path) -> None:
    job = Job(
        pl.SearchSpace(messages="{{ text }}", components={}),
        pl.Objective([{"text": "a", "label": "b"}] * 9, scorer=pl.exact_match("label")),
        ModelSettings(name="pocket"),
        track=TrackOptions(uri=f"http://me:{CANARY}@host"),
        ledger=f"postgresql://me:{CANARY}@host/db",
        workspace=tmp_path,
    )
    assert "http://me:***@host" in resolved(job)
    assert CANARY not in resolved(job)


class Echo(BaseHTTPRequestHandler):
    """MLflow's server, as far as a run needs it to begin; then it refuses, and says what it got."""

    refuses = False
    artifacts = ""
    """The folder of the run's artifacts."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        info = {"run_id": "r", "run_uuid": "r", "experiment_id": "1"}
        info["artifact_uri"] = self.artifacts
        experiment = {"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}
        body = {"run": {"info": info, "data": {}}, "experiment": experiment}
        status = 400 if self.refuses else 404 if "registered" in self.path else 200
        if status == 404:
            body = {"error_code": "RESOURCE_DOES_NOT_EXIST"}
        refusal = f"go away, {self.headers['Authorization']} (http://me:{CANARY}@host)"
        self.send_response(status)
        self.end_headers()
        self.wfile.write((refusal if self.refuses else json.dumps(body)).encode())

    do_POST = do_PATCH = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Not printed."""


def test_what_a_tracking_server_echoes_has_no_password(tmp_path: Path) -> None:
    """Neither in the spool, in what is told, nor in the log, where MLflow's tracebacks are."""
    prompts = {"prompt": Prompt((Message("user", "hi"),))}
    Echo.artifacts = str(tmp_path / "artifacts")
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://me:{CANARY}@127.0.0.1:{server.server_port}"
        with MlflowTracker(tmp_path, "a", uri) as tracker:
            tracker.start(About("e", "p", "a run", "", "pocket"))
            spooled = "\n".join(path.read_text() for path in (tmp_path / "spool").iterdir())
            tracker.started.result(60)
            Echo.refuses = True
            tracker.conclude(
                Conclusion(None, "done", prompts, prompts, None, promote=False, description="")
            )
            concluded = asyncio.run(tracker.settle())
        server.shutdown()
    basic = b64encode(f"me:{CANARY}".encode()).decode()
    assert "http://me:***@127.0.0.1" in spooled
    log = (tmp_path / "mlflow.log").read_text("utf-8")
    told = "\n".join((spooled, log, *concluded.problems))
    assert told.count("go away, Basic ***") > 2
    assert CANARY not in told
    assert basic not in told
