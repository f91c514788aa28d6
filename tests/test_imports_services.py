"""Prompts of Langfuse and LangSmith, by their own clients, from a server on this machine that
speaks the routes which these use."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from click.testing import CliRunner

from promptlathe.cli.main import main
from promptlathe.documents import load
from promptlathe.errors import InputError
from promptlathe.exchange.imports import read

SECRET = "sk-lf-never-shown"
PROMPTS = {
    ("triage", "production"): {
        "type": "chat",
        "prompt": [
            {"type": "chatmessage", "role": "system", "content": 'Sort {"a": 1} {single}.'},
            {"type": "placeholder", "name": "history"},
            {"type": "chatmessage", "role": "user", "content": "Ticket: {{ text }}\n{{#if x}}"},
        ],
        "version": 7,
        "config": {"model": "gpt-5-mini", "temperature": 0.1, "wishes": 3},
    },
    ("triage", "3"): {"type": "text", "prompt": "Sort: {{text}}", "version": 3, "config": {}},
    ("a/b c", "staging"): {
        "type": "text",
        "prompt": "{{ Sub Ject }}",
        "version": 1,
        "config": None,
    },
    ("empty", "production"): {"type": "text", "prompt": "no field", "version": 1, "config": {}},
}


def template(name: str, text: str, form: str = "f-string") -> dict[str, Any]:
    inner = constructor("prompt", "PromptTemplate", template=text, template_format=form)
    return constructor("chat", name, prompt=inner)


def constructor(part: str, name: str, **kwargs: Any) -> dict[str, Any]:
    place = ["langchain", "prompts", part, name]
    return {"lc": 1, "type": "constructor", "id": place, "kwargs": kwargs}


CHAT = constructor(
    "chat",
    "ChatPromptTemplate",
    messages=[
        template("SystemMessagePromptTemplate", 'Sort {{"a": 1}}. {{{{ so }}}}'),
        template("HumanMessagePromptTemplate", "{text} {{% if %}}"),
        constructor("chat", "MessagesPlaceholder", variable_name="history"),
        template("AIMessagePromptTemplate", "{{ text }}{{# x }}", "mustache"),
        constructor("messages", "HumanMessage", content="as {it} stands"),
    ],
)
MODEL = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "chat_models", "openai", "ChatOpenAI"],
    "kwargs": {
        "model": "gpt-5-mini",
        "temperature": 0.2,
        "openai_api_key": {"lc": 1, "type": "secret", "id": ["OPENAI_API_KEY"]},
        "frobnicate": 1,
    },
}
COMMITS = {
    "/commits/-/sorter/latest": CHAT,
    "/commits/me/sorter/abc": constructor("runnable", "RunnableSequence", first=CHAT, last=MODEL),
    "/commits/-/other/latest": constructor("prompt", "FewShotPromptTemplate"),
}


class Service(BaseHTTPRequestHandler):
    """Both services."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path.startswith("/api/public/v2/prompts/"):
            self._langfuse(unquote(url.path.removeprefix("/api/public/v2/prompts/")), query)
        elif url.path == "/info":
            self._say(200, {"version": "0.13.0"})
        elif self.headers.get("x-api-key") != SECRET:
            self._say(401, {"detail": "Invalid token"})
        elif url.path in COMMITS:
            self._say(
                200, {"commit_hash": "abcdef1234", "manifest": COMMITS[url.path], "examples": []}
            )
        else:
            self._say(404, {"detail": "Commit not found"})

    def _langfuse(self, name: str, query: dict[str, list[str]]) -> None:
        wanted = base64.b64encode(f"pk:{SECRET}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {wanted}":
            self._say(401, {"message": "Invalid credentials"})
            return
        (which,) = query.get("version") or query.get("label") or ["production"]
        found = PROMPTS.get((name, which))
        if found is None:
            self._say(404, {"message": "Prompt not found", "error": "LangfuseNotFoundError"})
        else:
            self._say(200, {"name": name, "labels": [], "tags": [], **found})

    def _say(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def settings(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LANGFUSE_PUBLIC_KEY": "pk",
        "LANGFUSE_SECRET_KEY": SECRET,
        "LANGFUSE_HOST": service,
        "LANGSMITH_API_KEY": SECRET,
        "LANGSMITH_ENDPOINT": service,
        "OPENAI_API_KEY": "k",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("LANGFUSE_BASE_URL", raising=False)


def test_a_chat_of_langfuse(tmp_path: Path):
    pytest.importorskip("langfuse")
    done = CliRunner().invoke(main, ["import", "langfuse:triage", str(tmp_path)])
    assert done.exit_code == 0, done.output
    space = load(tmp_path / "search_spaces" / "triage.yaml").data
    assert space["messages"]["user"] == "Ticket: {{ text }}"
    assert space["components"]["instruction"]["text"] == 'Sort {"a": 1} {single}.'
    model = load(tmp_path / "runs" / "triage.yaml").data["model"]
    assert model == {"name": "gpt-5-mini", "temperature": 0.1}
    for line in (
        "LOST  langfuse:triage/7, message 2: the placeholder of messages 'history'",
        "LOST  langfuse:triage/7, config: the setting wishes of the model",
        "LOST  langfuse:triage/7, message 3, line 2: logic of a template: {{#if x}}",
        "check: not ready yet",
    ):
        assert line in done.output


def test_a_text_of_langfuse_by_version_and_label():
    pytest.importorskip("langfuse")
    (prompt,) = read("langfuse:triage/3").prompts
    assert [(m.role, m.text) for m in prompt.messages] == [("user", "Sort: {{ text }}")]
    draft = read("langfuse:a/b c@staging")
    assert draft.prompts[0].messages[0].text == "{{ Sub_Ject }}"
    assert "the field 'Sub Ject' is called 'Sub_Ject'" in draft.kept


def test_prompts_of_langsmith():
    pytest.importorskip("langsmith")
    draft = read("langsmith:sorter")
    assert [(m.role, m.text) for m in draft.prompts[0].messages] == [
        ("system", 'Sort {"a": 1}. \\{{ so }}'.replace("\\{{ so }}", "{ { so } }")),
        ("user", "{{ text }} { % if % }"),
        ("assistant", "{{ text }}"),
        ("user", "as {it} stands"),
    ]
    assert draft.model == {}
    said = [one.what for one in draft.lost]
    assert "a message of the kind MessagesPlaceholder" in said
    assert "logic of a template: {{# x }}" in said
    draft = read("langsmith:me/sorter:abc")
    assert draft.model == {"name": "gpt-5-mini", "provider": "openai", "temperature": 0.2}
    assert any("frobnicate" in one.what for one in draft.lost)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("langfuse:nothing", "has no such prompt"),
        ("langfuse:triage/99", "has no such prompt"),
        ("langfuse:triage@staging", "has no such prompt"),
        ("langfuse:empty", "shows no field of a row"),
        ("langfuse:", "names no prompt"),
        ("langsmith:nothing", "has no such prompt"),
        ("langsmith:other", "holds no prompt that can be read"),
    ],
)
def test_names_that_are_not_there(source: str, said: str):
    pytest.importorskip(source.partition(":")[0])
    with pytest.raises(InputError, match=said):
        read(source)


@pytest.mark.parametrize("source", ["langfuse:triage", "langsmith:sorter"])
def test_keys_that_are_refused_or_missing(source: str, monkeypatch: pytest.MonkeyPatch):
    tool = source.partition(":")[0]
    pytest.importorskip(tool)
    key = {"langfuse": "LANGFUSE_SECRET_KEY", "langsmith": "LANGSMITH_API_KEY"}[tool]
    monkeypatch.setenv(key, "wrong-secret")
    with pytest.raises(InputError, match="refuses the key") as caught:
        read(source)
    assert "wrong-secret" not in str(caught.value)
    monkeypatch.delenv(key)
    monkeypatch.delenv("LANGCHAIN_API_KEY", raising=False)
    with pytest.raises(InputError, match=f"{key} is not set"):
        read(source)


@pytest.mark.parametrize("source", ["langfuse:triage", "langsmith:sorter"])
def test_a_service_that_is_away(source: str, monkeypatch: pytest.MonkeyPatch):
    tool = source.partition(":")[0]
    pytest.importorskip(tool)
    monkeypatch.setenv("LANGFUSE_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="cannot be asked") as caught:
        read(source)
    assert SECRET not in str(caught.value)
