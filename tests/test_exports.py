"""What other tools load renders the bytes that were scored."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, settings
from hypothesis import given as given_pieces
from hypothesis import strategies as st
from openai import OpenAI

import promptlathe as pl
from promptlathe.documents import load
from promptlathe.errors import InputError
from promptlathe.exchange.exports import FORMS, Chosen, export
from promptlathe.exchange.exports.promptfoo_tests import tests_of as promptfoo_tests
from promptlathe.exchange.exports.weaving import fstring, jinja
from promptlathe.exchange.imports.draft import Names
from promptlathe.exchange.imports.templates import Reading
from promptlathe.json_form import load as loaded
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Image, Message, Prompt
from promptlathe.space.template import CONVERSATION, fill, fill_declared, not_placeholder
from promptlathe.testing.scripted import ScriptedServer

NASTY = (
    r"""Braces: {text} {{ not a field }} {% no program %} {# no comment #} {"a": {"b": {{ text }}}}
Quotes: 'one' "two" '''three''' \"\"\" `four`; a backslash \ and \n, dollars $HOME ${text} $$ $(ls)
{{{ text }}} {{text}} {{ subject }}{ %s %(text)s <b>&amp;</b> é 日本 🙂 }} {{ --- +++ #1"""
    + "\ttab"
)
PROMPT = Prompt(
    (
        Message("system", f"{NASTY}\n\nBe brief."),
        Message("user", "A {{ subject }}: {{ text }}"),
        Message("assistant", "{label}"),
        Message("user", "{{ text }}\nLabel:"),
    ),
    (("stop", ["\n\n", "{{ text }}"]), ("temperature", 0.5)),
)
ROW = {
    "subject": 'it\'s "so" \\ $HOME {{ text }} {x} {% y %}',
    "text": "Où est\n\nmon colis ?\t日本 `ls` \\n 100%",
}


def given(prompt: Prompt = PROMPT, url: str = "http://127.0.0.1:9/v1", **more: Any) -> Chosen:
    settings = {"name": "m-1", "base_url": url, "max_tokens": 64, **more}
    return Chosen("a-name", prompt, 'from "here"', ModelSettings.model_validate(settings))


def sent(prompt: Prompt = PROMPT, row: dict[str, Any] = ROW) -> list[dict[str, Any]]:
    return pl.render(prompt, row)


def text_of(to: str, chosen: Chosen | None = None) -> str:
    return export(chosen or given(), to).text


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer("the answer") as running:
        yield running


def body_of(server: ScriptedServer) -> dict[str, Any]:
    return dict(server.arrived[-1].body)


def expected_body(row: dict[str, Any] = ROW) -> dict[str, Any]:
    return {
        "model": "m-1",
        "messages": sent(row=row),
        "max_tokens": 64,
        "temperature": 0.5,
        "stop": ["\n\n", "{{ text }}"],
    }


def module_of(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "prompt.py"
    path.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location("exported_prompt", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_text_holds_each_message_as_it_is():
    text = text_of("text")
    at = [text.index(message.text) for message in PROMPT.messages]
    assert at == sorted(at)
    alone = Prompt((Message("user", NASTY),))
    assert text_of("text", given(alone)) == NASTY + "\n"


def test_json_is_the_prompt_again():
    content = json.loads(text_of("json"))
    messages = [{"more": {}, **message} for message in content["messages"]]
    parameters = sorted(content["parameters"].items())
    again = loaded(Prompt, {"messages": messages, "parameters": parameters})
    assert again == PROMPT
    assert content["fields"] == ["text", "subject"]
    assert content["settings"] == {"max_tokens": 64}


def test_openai_is_the_body(server: ScriptedServer):
    body = json.loads(text_of("openai", given(url=server.base_url)))
    filled = [
        {**m, "content": pl.render(Prompt((Message(**m),)), ROW)[0]["content"]}
        for m in body.pop("messages")
    ]
    client = OpenAI(api_key="k", base_url=server.base_url)
    client.chat.completions.create(**body, messages=filled)
    assert body_of(server) == expected_body()


def environment() -> dict[str, str]:
    return {**os.environ, "OPENAI_API_KEY": "k", "NO_PROXY": "*", "no_proxy": "*"}


def test_python_sends_the_body(server: ScriptedServer, tmp_path: Path):
    path = tmp_path / "prompt.py"
    path.write_text(text_of("python", given(url=server.base_url)), "utf-8")
    done = subprocess.run(
        [sys.executable, str(path), json.dumps(ROW)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
    )
    assert done.stdout == "the answer\n", done.stderr
    assert body_of(server) == expected_body()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("shell", ["sh", "bash", "dash"])
def test_curl_sends_the_body(server: ScriptedServer, tmp_path: Path, shell: str):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "prompt.sh"
    path.write_text(text_of("curl", given(url=server.base_url)), "utf-8")
    odd = {"text": "\x01\x7f\r\n\n", "subject": ""}
    for row in (ROW, odd):
        done = subprocess.run(
            [shell, str(path), row["text"], row["subject"]],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=60,
        )
        assert "the answer" in done.stdout, done.stderr
        assert body_of(server) == expected_body(row)
    assert subprocess.run([shell, str(path)], capture_output=True, timeout=60).returncode == 2


def test_prompty_renders_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prompty = pytest.importorskip("prompty")
    path = tmp_path / "a.prompty"
    path.write_text(text_of("prompty"), "utf-8")
    assert any("trusted_endpoints" in note for note in export(given(), "prompty").notes)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    agent = prompty.load(path, trusted_endpoints=["http://127.0.0.1:9"])
    messages = [{"role": m.role, "content": m.text} for m in prompty.prepare(agent, dict(ROW))]
    assert messages == sent()
    assert agent.model.id == "m-1"
    assert agent.model.options.temperature == 0.5
    assert agent.model.options.max_output_tokens == 64
    assert agent.model.options.stop_sequences == ["\n\n", "{{ text }}"]


@pytest.mark.parametrize(
    "text", ["Roles:\nuser:\nhi {{ text }}", "a\x0bb {{ text }}", "# System: "]
)
def test_what_prompty_would_read_otherwise_is_refused(text: str):
    with pytest.raises(InputError, match="a message has") as caught:
        text_of("prompty", given(Prompt((Message("user", text),))))
    assert "python" in str(caught.value)


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_langchain_renders_it():
    load = pytest.importorskip("langchain_core.load")
    from langchain_core.messages import convert_to_openai_messages

    template = load.loads(text_of("langchain"), allowed_objects="core")
    assert convert_to_openai_messages(template.format_messages(**ROW)) == sent()
    assert template.metadata["parameters"]["temperature"] == 0.5
    developer = Prompt((Message("developer", "{x} {{ text }}"), Message("user", "{{ text }}")))
    template = load.loads(text_of("langchain", given(developer)), allowed_objects="core")
    assert convert_to_openai_messages(template.format_messages(**ROW)) == sent(developer)


def test_llama_index_renders_it(tmp_path: Path):
    pytest.importorskip("llama_index.core")
    module = module_of(tmp_path, text_of("llamaindex"))
    made = module.PROMPT.format_messages(**ROW)
    assert [{"role": m.role.value, "content": m.content} for m in made] == sent()
    assert module.PARAMETERS["temperature"] == 0.5


def test_dspy_sends_it(server: ScriptedServer, tmp_path: Path):
    dspy = pytest.importorskip("dspy")
    module = module_of(tmp_path, text_of("dspy", given(url=server.base_url)))
    lm = dspy.LM(
        f"openai/{module.MODEL}",
        api_base=server.base_url,
        api_key="k",
        cache=False,
        **module.PARAMETERS,
    )
    with dspy.context(lm=lm):
        assert module.Prompt()(**ROW).answer == "the answer"
    renamed = {"max_completion_tokens": 64, **expected_body()}  # litellm's name for it
    del renamed["max_tokens"]
    assert body_of(server) == renamed


def nunjucks(text: str, row: dict[str, str]) -> str:
    """Jinja reads what we write as Nunjucks does: literals in quotes, and names."""
    from jinja2 import Environment

    return Environment(keep_trailing_newline=True).from_string(text).render(**row)


def test_promptfoo_has_the_messages_as_json(tmp_path: Path):
    path = tmp_path / "promptfooconfig.yaml"
    path.write_text(text_of("promptfoo"), "utf-8")
    config = load(path).data
    (prompt,) = config["prompts"]
    assert '{{ \\"#}\\" }}' in prompt["raw"], "Nunjucks refuses a comment that ends and never began"
    messages = json.loads(prompt["raw"])
    assert [{**m, "content": nunjucks(m["content"], ROW)} for m in messages] == sent()
    (provider,) = config["providers"]
    assert provider["id"] == "openai:chat:m-1"
    assert provider["config"]["passthrough"] == {
        "max_tokens": 64,
        "stop": ["\n\n", "{{ text }}"],
        "temperature": 0.5,
    }


def test_promptfoo_tests_show_rows_and_compare_as_the_scorers_do():
    rows = [
        {"text": "a", "label": "yes", "other": "x"},
        {"text": "{{ label }}", "label": "no", "other": "x"},
        {"text": "c\n", "label": "no", "other": "x"},
        {"text": "d", "label": ["no", "never"], "other": "x"},
        {"text": "e", "label": 3, "other": "x"},
    ]
    scorers = [
        {"exact_match": {"target": "label", "parse": "label"}},
        {"exact_match": {"target": "label"}},
        {"regex": {"pattern": "^y"}},
        {"required": {"phrases": ["a", "b"]}},
        {"judge": {"name": "tone", "rubric": "Polite"}},
        {"numeric": {"target": "label"}},
        "metric.py:f",
    ]
    made = promptfoo_tests(rows, scorers, ["text"])
    assert [dict(row) for row in made.rows] == [
        {"text": "a", "label": "yes"},
        {"text": "e", "label": "3"},
    ]
    assert [one["type"] for one in made.asserts] == [
        "icontains",
        "javascript",
        "regex",
        "icontains-all",
        "llm-rubric",
    ]
    said = "\n".join(made.notes)
    assert "numeric has no counterpart" in said
    assert "metric.py:f has no counterpart" in said
    assert "3 of 5 rows are left out" in said


FILLS = (
    ("demos", {"kind": "contexts", "field": "c", "count": 1, "order": "given", "markup": "xml"}),
)
HARD = {
    "what is filled in for each row": Prompt(
        (Message("user", "{{ demos }} {{ text }}"),), (), (), FILLS
    ),
    "turns of a conversation": Prompt((Message(CONVERSATION, "{{ chat }}"),)),
    "pictures": Prompt((Message("user", ("{{ text }}", Image("{{ photo }}"))),)),
    "calls of tools": Prompt(
        (Message("assistant", "", {"tool_calls": []}), Message("user", "{{ text }}"))
    ),
    "tools": Prompt((Message("user", "{{ text }}"),), (("tools", [{"type": "function"}]),)),
}


@pytest.mark.parametrize("part", HARD)
@pytest.mark.parametrize("to", FORMS)
def test_what_a_form_cannot_hold_is_one_error_that_says_what_can(part: str, to: str):
    able = [other for other in FORMS if held(HARD[part], other)]
    if to in able:
        assert "tool" in text_of(to, given(HARD[part])) or part != "tools"
        return
    with pytest.raises(InputError) as caught:
        export(given(HARD[part]), to)
    assert part in caught.value.what
    assert f"can: {', '.join(able)};" in str(caught.value.fix)
    assert "json" in able


def held(prompt: Prompt, to: str) -> bool:
    try:
        return bool(export(given(prompt), to).text)
    except InputError:
        return False


def test_odd_services_keep_their_address_and_header(tmp_path: Path):
    azure = given(
        Prompt((Message("user", "{{ text }}"),)),
        "https://x.openai.azure.com",
        provider="azure",
        extra_headers={"X-Team": "it's"},
    )
    shell, script = text_of("curl", azure), text_of("python", azure)
    assert "/openai/deployments/m-1/chat/completions?api-version=" in shell
    assert '"api-key: ${AZURE_OPENAI_API_KEY:-none}"' in shell
    assert "X-Team: it'\\''s" in shell
    module = module_of(tmp_path, script)
    assert module.HEADERS == {"X-Team": "it's"}
    assert "default_query={'api-version'" in script
    assert "'api-key': os.environ.get" in script
    assert "max_completion_tokens" in module.PARAMETERS


def test_a_prompt_for_another_api_is_refused():
    with pytest.raises(InputError, match="the API 'images'"):
        export(replace(given(), model=ModelSettings(name="m", api="images")), "json")


SIGNS = ("{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "\\", "'", '"', "-", "%", "#", " ", "\n")
NAMES = ("{{ text }}", "{{text}}", "{{ subject }}", "{{ other }}", "{text}", "text", "raw", "é")
PIECES = st.lists(st.sampled_from(SIGNS + NAMES), max_size=12)


@settings(max_examples=300, deadline=None)
@given_pieces(PIECES)
def test_any_braces_survive_every_template_language(pieces: list[str]):
    text = "".join(pieces)
    row = {"text": "{{ subject }}{%#", "subject": "}}'\\"}
    expected = fill(text, row)
    assert nunjucks(jinja(text, row), row) == expected
    assert fstring(text, row).format(**row) == expected


@settings(max_examples=300, deadline=None)
@example(["\\", "{", "{{ text }}"])
@example(["\\", "{{", "{{ text }}"])
@given_pieces(PIECES)
def test_any_template_comes_back_as_it_was(pieces: list[str]):
    """What is exported to Jinja is imported as the same prompt, but for what is said."""
    text = "".join(pieces)
    row = {"text": "T", "subject": "S"}
    reading = Reading(Names())
    ours = reading.jinja(jinja(text, row), lambda line, piece: None)
    assert not_placeholder(ours) is None
    if not reading.lost:
        assert fill_declared(ours, row) == fill(text, row)
