"""Prompts of other tools become files that `check` takes; what is lost is said with its line."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.test_exports import PROMPT, ROW, given

import promptlathe as pl
from promptlathe.cli.commands.import_ import KINDS as OFFERED
from promptlathe.cli.main import main
from promptlathe.documents import load
from promptlathe.errors import InputError
from promptlathe.exchange.exports import export
from promptlathe.exchange.imports import KINDS, Draft, read, write
from promptlathe.exchange.imports.draft import Names
from promptlathe.exchange.imports.templates import Reading
from promptlathe.job import Job
from promptlathe.records import Prompt
from promptlathe.space import BoundSpace

CONFIG = """\
description: Tickets
prompts:
  - |
    You route tickets.
    Answer with the team only.

    Ticket: {{ text }}
  - file://prompts/two.txt
  - label: chat
    raw: '[{"role": "system", "content": "Sort."}, {"role": "user", "content": "{{ text }}"}]'
  - file://make.py:prompt
providers:
  - id: openai:chat:gpt-5-mini
    config: {temperature: 0.2, max_tokens: 50, apiKey: sk-123, frobnicate: 1}
  - anthropic:messages:claude-x
  - exec:python foo.py
evaluateOptions: {maxConcurrency: 8, repeat: 3}
redteam: {x: 1}
defaultTest:
  assert:
    - {type: latency, threshold: 3000}
    - {type: cost, threshold: 0.002}
    - {type: regex, value: "^[a-z]+$"}
tests:
  - vars: {text: "invoice {{ wrong }}"}
    assert:
      - {type: equals, value: billing}
      - {type: javascript, value: output.length < 10}
  - vars: {text: [parcel, box], team: delivery}
    assert: [{type: equals, value: "{{ team }}", weight: 3}, {type: icontains, value: deliv}]
  - file://more.csv
  - vars: {other: 1}
"""
TWO = """\
Name the team of the ticket.
{% if hint %}Hint: {{ hint }}{% endif %}

Ticket: {{ text | upper }}
---
Which team?

Ticket: {{ text }}
"""
MORE = """\
text,__expected,__expected2
password,login,not-contains: sorry
"a ""locked"" code","equals: login","llm-rubric: is short"
"""


def files(folder: Path, **texts: str) -> Path:
    """The first is named; `__` stands for a folder, `_` before the ending for its dot."""
    paths: list[Path] = []
    for name, text in texts.items():
        stem, _, ending = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths[0]


def invoke(source: Path | str, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["import", str(source), str(folder), *more])


def test_the_command_offers_every_kind():
    assert KINDS == OFFERED


def test_a_configuration_of_promptfoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    source = files(tmp_path, tickets_yaml=CONFIG, prompts__two_txt=TWO, more_csv=MORE)
    folder = tmp_path / "out"
    done = invoke(source, folder)
    assert done.exit_code == 0, done.output
    lost = [line for line in done.output.splitlines() if line.startswith("LOST")]
    for place, what in (
        ("tickets.yaml:11: ", "program makes: file://make.py:prompt"),
        ("two.txt:2: ", "logic of a template: {% if hint %}"),
        ("two.txt:4: ", "the filter {{ text|upper }}"),
        ("tickets.yaml:14: ", "a key is not carried over"),
        ("tickets.yaml:14: ", "the setting frobnicate"),
        ("tickets.yaml:15: ", "'anthropic:messages:claude-x': a run has one model"),
        ("tickets.yaml:16: ", "'exec:python foo.py': no service"),
        ("tickets.yaml:17: ", "the option 'repeat'"),
        ("tickets.yaml:18: ", "the key 'redteam'"),
        ("tickets.yaml:28: ", "the assertion javascript"),
        ("more.csv:3: ", "the assertion llm-rubric, which only some tests have"),
        ("tickets.yaml:32: ", "a test without a value for text"),
        ("tickets.yaml:10: ", "the prompt 'chat': its messages are system, user"),
    ):
        (line,) = [one for one in lost if what in one]
        assert place in line
    assert len(lost) == 13
    assert "sk-123" not in done.output
    assert "5 assertions (equals): the scorer exact_match" in done.output
    assert "check: not ready yet" in done.output
    assert "fewer than 10" in done.output
    everything = "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())
    assert "sk-123" not in everything
    space = load(folder / "search_spaces" / "tickets.yaml").data
    assert space["messages"] == {"user": "{{ instruction }}\n\nTicket: {{ text }}"}
    levels = space["components"]["instruction"]["choice"]
    assert levels["prompt-1"] == "You route tickets.\nAnswer with the team only."
    assert list(levels) == ["prompt-1", "two_1", "two_2"]
    rows = rows_of(folder, "tickets")
    assert [row["expected"] for row in rows] == [
        "billing",
        "delivery",
        "delivery",
        "login",
        "login",
    ]
    assert rows[0]["text"] == "invoice {{ wrong }}"
    assert [row["required"] for row in rows] == [[], ["deliv"], ["deliv"], [], []]
    objective = load(folder / "objectives" / "tickets" / "objective.yaml").data
    assert objective["limits"] == {"latency": "<= 3", "cost_per_1k_calls": "<= 2"}
    assert objective["goal"].startswith("maximize 0.375*exact_match + ")
    run = load(folder / "runs" / "tickets.yaml").data
    assert run["model"] == {
        "name": "gpt-5-mini",
        "provider": "openai",
        "temperature": 0.2,
        "max_tokens": 50,
    }
    assert run["parallel"] == {"concurrency": 8}


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    text = (folder / "objectives" / name / "rows.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


ENOUGH = """\
prompts: [{prompts}]
providers: [openai:gpt-5-mini]
tests: file://tests.csv
"""
TABLE = "text,__expected\n" + "".join(
    f"{word} {n},{team}\n"
    for n in range(12)
    for word, team in (("invoice", "billing"), ("parcel", "delivery"))
)


def test_enough_tests_are_ready_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    config = ENOUGH.replace("{prompts}", '"Which team? {{ text }}\\nTeam:", "Team of {{ text }}"')
    source = files(tmp_path, small_yaml=config, tests_csv=TABLE)
    done = invoke(source, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "nothing was lost" in done.output
    assert "10 select" in done.output or "test rows" in done.output
    assert "not ready" not in done.output
    assert "run " in done.output.splitlines()[-1]
    assert invoke(source, tmp_path / "out").exit_code == 0  # the same files once more
    (made,) = (tmp_path / "out" / "runs").glob("*.yaml")
    made.write_text("mine: true\n", "utf-8")
    again = invoke(source, tmp_path / "out")
    assert again.exit_code == 2
    assert "is there already, with other content" in again.output
    assert made.read_text("utf-8") == "mine: true\n"


def test_what_was_exported_is_imported_as_it_was(tmp_path: Path):
    """Braces, quotes and programs of templates go there and back."""
    (tmp_path / "a.yaml").write_text(export(given(), "promptfoo").text, "utf-8")
    (tmp_path / "b.prompty").write_text(export(given(), "prompty").text, "utf-8")
    braced = "\\{{ not a field }}"
    for source in ("a.yaml", "b.prompty"):
        draft = read(str(tmp_path / source))
        changed = [one.what[:6] for one in draft.lost if "put" in one.what]
        assert sorted(changed) == ["'%}' i", "'{%' i", "braces"]
        assert braced in draft.prompts[0].messages[0].text
        messages = rendered(draft, ROW)
        expected = pl.render(PROMPT, ROW)
        for mine, theirs in zip(messages, expected, strict=True):
            text = theirs["content"].replace("{% no program %}", "{ % no program % }")
            text = text.replace("}} {{ ---", "} } { { ---")
            assert mine == {**theirs, "content": text}
        assert draft.model["name"] == "m-1"
        assert draft.model["temperature"] == 0.5
        assert draft.model["stop"] == ["\n\n", "{{ text }}"]


def rendered(draft: Draft, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the seed, as a run would send it."""
    space = pl.SearchSpace([{m.role: m.content} for m in draft.prompts[0].messages])
    prompt: Prompt = BoundSpace(space, []).seed.prompt
    return pl.render(prompt, row)


@pytest.mark.parametrize(
    ("text", "ours", "lost"),
    [
        ("a {{ b }} c", "a {{ b }} c", []),
        ("{{b}}{{ c }}", "{{ b }}{{ c }}", []),
        ("{{ user.name }} {{ users[0] }}", "{{ user_name }} {{ users_0 }}", []),
        ("{{ b | trim | safe }}", "{{ b }}", ["the filter"]),
        ("x{# said #}y {{ b }}", "xy {{ b }}", []),
        ("{% raw %}{{ so it is }}{% endraw %} {{ b }}", "\\{{ so it is }} {{ b }}", []),
        ('{{ "{{" }} {{ b }}', "{ { {{ b }}", ["braces that cannot stand"]),
        ("{% if a %}x{% if b %}y{% endif %}{% else %}z{% endif %}{{ c }}", "{{ c }}", ["logic"]),
        ("{% for a in b %}{{ a }}{% endfor %}{{ c }}", "{{ c }}", ["logic"]),
        ("{% set a = 1 %}{{ c }}", "{{ c }}", ["logic"]),
        ("{{ a + 1 }}{{ c }}", "{{ c }}", ["logic"]),
        ("{{ env.HOME }}{{ c }}", "{{ c }}", ["environment"]),
        ('{"a": {"b": "{{ c }}"}}', '{"a": {"b": "{{ c }}"\\}}', []),
        ("C:\\{{ c }}", "C:\\ {{ c }}", ["backslash"]),
        ("{% if %", "{ % if %", ["cannot be read", "'{%'"]),
    ],
)
def test_jinja_becomes_placeholders(text: str, ours: str, lost: list[str]):
    reading = Reading(Names())
    assert reading.jinja(text, lambda line, piece: f"f:{line}") == ours
    assert len(reading.lost) == len(lost)
    for one, said in zip(reading.lost, lost, strict=True):
        assert said in one.what


@pytest.mark.parametrize(
    ("text", "ours", "lost"),
    [
        ("a {b} {{c}}", "a {{ b }} {c}", 0),
        ("{b.d} {b!r} {e:>10}", "{{ b_d }} {{ b }} {{ e }}", 2),
        ("{0[x]} {b}", " {{ b }}", 1),
        ("{ open", "{ open", 1),
        ("{{{{ x y }}}} {b}", "\\{{ x y }} {{ b }}", 0),
    ],
)
def test_format_strings_become_placeholders(text: str, ours: str, lost: int):
    reading = Reading(Names())
    assert reading.fstring(text, lambda line, piece: None) == ours
    assert len(reading.lost) == lost


PROMPTY_1 = """\
---
name: Basic Prompt
description: A prompt
authors: [me]
model:
  api: chat
  configuration:
    type: azure_openai
    azure_deployment: gpt-35-turbo
    api_key: sk-secret
  parameters: {max_tokens: 128, temperature: 0.2, wishes: 3}
sample:
  firstName: Jane
  question: "What?"
tools: [{type: function}]
---
system:
You are an assistant.
{% for item in docs %}
{{ item }}
{% endfor %}

# Customer
You help {{firstName}}.

user:
{{ question }}
"""
PROMPTY_2 = """\
---
name: second
model:
  id: gpt-5-mini
  provider: openai
  options: {maxOutputTokens: 64, topP: 0.5}
inputs:
  question: {kind: string, default: "Why?"}
---
system:
Answer.
user:
{{question}}
"""


def test_prompty_of_version_1(tmp_path: Path):
    draft = read(str(files(tmp_path, basic_prompty=PROMPTY_1)))
    system, user = draft.prompts[0].messages
    assert system.text == "You are an assistant.\n\n\n# Customer\nYou help {{ firstName }}."
    assert user.text == "{{ question }}"
    assert draft.rows == ({"firstName": "Jane", "question": "What?"},)
    assert draft.model == {
        "name": "gpt-35-turbo",
        "provider": "azure",
        "max_tokens": 128,
        "temperature": 0.2,
    }
    said = [str(one).rpartition("/")[2] for one in draft.lost]
    assert said == [
        "basic.prompty:15: the key 'tools'",
        "basic.prompty:19: logic of a template: {% for item in docs %}",
        "basic.prompty:11: the setting wishes of the model",
    ]


def test_prompty_of_version_2_is_what_its_library_renders(tmp_path: Path):
    prompty = pytest.importorskip("prompty")
    path = files(tmp_path, second_prompty=PROMPTY_2)
    draft = read(str(path))
    assert draft.model == {"name": "gpt-5-mini", "max_tokens": 64, "top_p": 0.5}
    assert draft.rows == ({"question": "Why?"},)
    theirs = prompty.prepare(prompty.load(path), {"question": "Où?"})
    ours = rendered(draft, {"question": "Où?"})
    assert ours == [{"role": m.role, "content": m.text} for m in theirs]


def test_one_prompt_has_a_part_that_may_be_rewritten(tmp_path: Path):
    made = write(read(str(files(tmp_path, second_prompty=PROMPTY_2))), tmp_path / "out")
    space = load(tmp_path / "out" / "search_spaces" / "second.yaml").data
    assert space["components"] == {"instruction": {"text": "Answer.", "rewrite": True}}
    assert space["messages"] == {"system": "{{ instruction }}", "user": "{{ question }}"}
    text = (tmp_path / "out" / "objectives" / "second" / "objective.yaml").read_text("utf-8")
    assert "a judge stands in" in text
    assert made.run.is_file()
    with pytest.raises(InputError, match="split test is empty"):
        Job.load(made.run, workspace=tmp_path / "out").objective.check()


ONE = "prompts: ['{{ text }}']\n"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a_yaml", "", "is empty"),
        ("a_yaml", "- 1\n- 2\n", "no configuration of promptfoo"),
        ("a_yaml", "a: [", "not YAML"),
        ("a_yaml", "providers: [openai:x]\n", "has no prompts"),
        ("a_yaml", "prompts: []\n", "list of prompts is empty"),
        ("a_yaml", "prompts: [file://gone.txt]\n", "a.yaml:1: file://gone.txt names no file"),
        ("a_yaml", "prompts: [file://../../etc/passwd]\n", "leads out of the workspace"),
        ("a_yaml", "prompts: [file://make.js]\n", "none of its prompts can be read"),
        ("a_yaml", "prompts: ['no variable']\n", "no prompt shows a variable"),
        ("a_yaml", "prompts: ['{% if a %}{{ a }}{% endif %}']\n", "can be read (logic"),
        ("a_yaml", ONE + "tests: file://gone.csv\n", "a.yaml:2: file://gone.csv names no file"),
        ("a_yaml", ONE + "x: &a [*a]\n", "error"),
        ("a_prompty", "", "no text remains"),
        ("a_prompty", "---\na: [\n---\nuser:\n{{ x }}\n", "not YAML"),
        ("a_prompty", "---\nname: a\n---\nuser:\nno input\n", "shows no field"),
        (
            "a_prompty",
            "user:\n{% if a %}{{ a }}{% endif %}\n",
            "a.prompty:2: no text remains (logic",
        ),
        ("a_toml", "a = 1\n", "cannot be told by its ending"),
        ("a_js", "module.exports = {}\n", "is a program"),
    ],
)
def test_bad_input_is_one_message(tmp_path: Path, name: str, text: str, said: str):
    done = invoke(files(tmp_path, **{name: text}), tmp_path / "out")
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_what_is_no_text_is_one_message(tmp_path: Path):
    (tmp_path / "a.yaml").write_bytes(b"\x89PNG\r\n\x00\xff")
    (tmp_path / "b.prompty").write_bytes(b"\x00" * 100)
    (tmp_path / "big.yaml").write_text("prompts: ['" + "x" * 1_100_000 + "']\n", "utf-8")
    (tmp_path / "folder.yaml").mkdir()
    for name, said in (
        ("a.yaml", "is not UTF-8"),
        ("b.prompty", "is not UTF-8"),
        ("big.yaml", "is larger than 1 MB"),
        ("folder.yaml", "it is a folder"),
        ("gone.yaml", "there is no such file"),
    ):
        done = invoke(tmp_path / name, tmp_path / "out")
        assert done.exit_code == 2, done.output
        assert said in done.output


def test_odd_tests_are_lost_not_fatal(tmp_path: Path):
    config = """\
prompts: ["{{ text }}"]
providers: 7
tests:
  - 3
  - vars: [1]
  - vars: {text: {a: 1}, n: 2}
    assert: {type: contains, value: x}
  - vars: {text: b}
    assert: [4, {value: x}, {type: frobnicate}, {type: regex, value: "("}, {type: contains}]
  - vars: {text: c}
    threshold: 0.5
    assert:
      - {type: assert-set, threshold: 0.5, assert: [{type: not-icontains, value: [a, b]}]}
      - {type: contains-any, value: "x, y"}
"""
    draft = read(str(files(tmp_path, odd_yaml=config)))
    assert draft.rows[0]["text"] == '{"a": 1}'
    assert draft.rows[2]["required_case"] == [["x", "y"]]
    said = " / ".join(str(one) for one in draft.lost)
    for what in (
        "odd.yaml:2: the provider '7'",
        "odd.yaml:4: a test that is no mapping",
        "odd.yaml:5: variables that are no mapping",
        "an assertion without a type",
        "the assertion frobnicate",
        "Python does not read",
        "the assertion contains without a value",
        "odd.yaml:11: the key 'threshold' of a test",
        "the threshold of a set",
    ):
        assert what in said


def test_files_stand_for_parts(tmp_path: Path):
    config = """\
prompts: file://prompts.yaml
providers: [file://provider.yaml]
defaultTest: file://default.yaml
tests: [file://tests/*.yaml, file://made.py]
"""
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "note.txt").write_text("  from a file\n", "utf-8")
    source = files(
        tmp_path,
        parts_yaml=config,
        prompts_yaml="- 'Say {{ text }}'\n- {label: second, raw: 'Tell {{ text }}'}\n",
        provider_yaml="{id: 'ollama:chat:llama3.2', config: {temperature: 0}}\n",
        default_yaml="assert: [{type: icontains, value: ok}]\n",
        tests__one_yaml="- vars: {text: file://../note.txt}\n- vars: {text: file://../picture.jpg}\n",
        tests__two_yaml="vars: {text: alone}\n",
    )
    draft = read(str(source))
    assert [one.name for one in draft.prompts] == ["prompt-1", "second"]
    assert draft.model == {"name": "llama3.2", "provider": "ollama", "temperature": 0}
    assert draft.rows[0]["text"] == "from a file"
    assert draft.rows[-1]["text"] == "alone"
    assert draft.scorers == ({"required": {"phrases": ["ok"], "whole_words": False}},)
    said = " / ".join(str(one) for one in draft.lost)
    assert "picture.jpg is not UTF-8" in said
    assert "tests that a program makes: file://made.py" in said


def test_a_prompt_whose_every_line_shows_a_field_may_be_rewritten_whole(tmp_path: Path):
    source = files(tmp_path, whole_yaml="prompts: ['Tell me about {{ topic }}.']\n")
    write(read(str(source)), tmp_path / "out")
    space = load(tmp_path / "out" / "search_spaces" / "whole.yaml").data
    text = "Tell me about {{ topic }}."
    assert space["components"] == {"instruction": {"text": text, "rewrite": True}}
    assert pl.SearchSpace.load(tmp_path / "out" / "search_spaces" / "whole.yaml")


@pytest.mark.parametrize(
    "model", ["true", "7", "[a]", "{configuration: x}", "{options: 3}", "{connection: [1], id: m}"]
)
def test_a_head_of_the_wrong_kind_is_no_traceback(tmp_path: Path, model: str):
    text = f"---\nmodel: {model}\ninputs: 4\nsample: x\n---\nuser:\n{{{{ q }}}}\n"
    assert read(str(files(tmp_path, a_prompty=text))).prompts


@pytest.mark.parametrize("config", ["7", "text", "[1]", "{config: 3, id: 'openai:m'}", "[{a: {}}]"])
def test_providers_of_the_wrong_kind_are_lost(tmp_path: Path, config: str):
    draft = read(str(files(tmp_path, a_yaml=f"prompts: ['{{{{ q }}}}']\nproviders: {config}\n")))
    assert any("provider" in one.what for one in draft.lost)
