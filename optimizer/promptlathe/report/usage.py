"""How to ask a model with a prompt of a run, as lines to copy."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pprint import pformat
from typing import Any

from promptlathe.records import Prompt
from promptlathe.report.frame import visible
from promptlathe.results import Result
from promptlathe.space import fields_of

YOUR_MODEL = "YOUR-MODEL"
_LINE = re.compile(r":\d+$")

PYTHON = """import re

from openai import OpenAI

client = OpenAI({client})  # the key is in OPENAI_API_KEY
row = {row}
messages = {messages}


def filled(text):
    return re.sub(r"{{{{\\s*(\\w+)\\s*}}}}", lambda field: str(row[field[1]]), text)


for message in messages:
    message["content"] = filled(message["content"])
answer = client.chat.completions.create(model={model}, messages=messages{parameters})
print(answer.choices[0].message.content)"""
CURL = """curl {url}/chat/completions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" \\
  -d @- <<'END'
{body}
END"""
MLFLOW = """import mlflow

prompt = mlflow.genai.load_prompt("prompts:/{name}@champion")
messages = prompt.format({fields})"""


@dataclass(frozen=True)
class Usage:
    """Of the recommended prompt."""

    python: str
    curl: str
    mlflow: str
    """Of the registered champion; empty where it is another prompt, or none."""
    again: str
    """Commands."""
    why: str
    """Why there is neither Python nor curl, as `said` has it."""


def usage_of(result: Result) -> Usage:
    """Of the prompt that a result recommends."""
    facts, prompts = result.facts, result.chosen.prompts
    why = _why_not(prompts)
    prompt = next(iter(prompts.values()))
    registered = result.recommended == "champion" or (
        result.recommended == "best"
        and (result.registered or (facts.promotes and result.verdict == "better"))
    )
    one = len(prompts) == 1 and result.run_id is not None and registered
    return Usage(
        python="" if why else _python(result, prompt),
        curl="" if why else _curl(result, prompt),
        mlflow=MLFLOW.format(name=facts.prompt, fields=_given(prompt)) if one else "",
        again=_again(result),
        why=why,
    )


def _why_not(prompts: Mapping[str, Prompt]) -> str:
    if len(prompts) > 1:
        return "chain"
    (prompt,) = prompts.values()
    if prompt.fills:
        return "filled"
    return "pictures" if any(message.images for message in prompt.messages) else ""


def _python(result: Result, prompt: Prompt) -> str:
    parameters = {**result.facts.parameters, **dict(prompt.parameters)}
    url = None if result.facts.embedded else result.facts.endpoint
    return PYTHON.format(
        client=f"base_url={url!r}" if url else "",
        row=_literal(dict.fromkeys(sorted(fields_of(prompt)), "…")),
        messages=_literal([message.to_dict() for message in prompt.messages]),
        model=repr(_model(result)),
        parameters=f", **{_literal(parameters)}" if parameters else "",
    )


def _curl(result: Result, prompt: Prompt) -> str:
    facts = result.facts
    body = {
        "model": _model(result),
        "messages": [message.to_dict() for message in prompt.messages],
        **facts.parameters,
        **dict(prompt.parameters),
    }
    said = json.dumps(body, ensure_ascii=False, indent=2)
    url = "https://YOUR-SERVICE/v1" if facts.embedded or not facts.endpoint else facts.endpoint
    return CURL.format(
        url=shlex.quote(url.rstrip("/")),
        body=said if visible(said) == said else json.dumps(body, indent=2),
    )


def _model(result: Result) -> str:
    return YOUR_MODEL if result.facts.embedded else result.facts.model


def _literal(value: Any) -> str:
    return pformat(value, width=88, sort_dicts=False)


def _given(prompt: Prompt) -> str:
    return ", ".join(f'{name}="…"' for name in sorted(fields_of(prompt)))


def _again(result: Result) -> str:
    file = _LINE.sub("", result.facts.file)
    lines = [f"promptlathe run {shlex.quote(file)}"] if file else []
    return "\n".join([*lines, f"promptlathe report {result.run}"])
