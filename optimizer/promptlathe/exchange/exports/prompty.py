"""A `.prompty` file, as prompty 2 loads it."""

import json
from collections.abc import Mapping

from promptlathe.errors import InputError
from promptlathe.exchange.exports.chosen import Chosen
from promptlathe.exchange.exports.weaving import jinja
from promptlathe.exchange.exports.written import Written
from promptlathe.exchange.roles import ROLE
from promptlathe.models.settings import OPENAI_URL
from promptlathe.records import Json

OPTIONS: Mapping[str, str] = {
    "frequency_penalty": "frequencyPenalty",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "topP",
}
"""Parameters by the name that the format has for them."""


def prompty(given: Chosen) -> Written:
    """Raises InputError for a text that the format would read otherwise."""
    options: dict[str, Json] = {}
    for name, value in given.parameters.items():
        if name in OPTIONS:
            options[OPTIONS[name]] = value
        elif name == "stop":
            options["stopSequences"] = [value] if isinstance(value, str) else value
        else:
            options.setdefault("additionalProperties", {})[name] = value
    head = {
        "name": given.name,
        "description": given.about,
        "model": {
            "id": given.body["model"],
            "provider": "openai",
            "apiType": "chat",
            "connection": {
                "kind": "key",
                "endpoint": given.base_url,
                "apiKey": f"${{env:{given.key}:none}}",
            },
            "options": options,
        },
        "inputs": [{"name": name, "kind": "string"} for name in given.fields],
        "template": {"format": {"kind": "jinja2"}, "parser": {"kind": "prompty"}},
    }
    for message in given.prompt.messages:
        _check(message.text)
    body = "\n\n".join(
        f"{message.role}:\n{jinja(message.text, given.fields)}" for message in given.prompt.messages
    )
    front = "".join(f"{key}: {_value(value)}\n" for key, value in head.items())
    trust = (
        f"prompty sends a key to {given.base_url} only when it is told to trust it: "
        f"prompty.load(FILE, trusted_endpoints=[{given.base_url!r}])",
    )
    return Written(
        f"---\n{front}---\n{body}\n",
        (
            *(() if given.base_url == OPENAI_URL else trust),
            "prompty reads the filled-in text line by line: a value with a line such as `user:` is "
            "refused by it, and unusual line ends in values become plain ones",
        ),
    )


def _value(value: Json) -> str:
    """JSON, which is YAML; the format ends the head at the first `---` or `+++`, wherever it is."""
    text = json.dumps(value, ensure_ascii=False)
    for fence in ("---", "+++"):
        text = text.replace(fence, f"\\u{ord(fence[0]):04x}{fence[1:]}")
    return text


def _check(text: str) -> None:
    """Raises InputError for what the format cannot hold."""
    lines = text.splitlines()
    if role := next((line for line in lines if ROLE.fullmatch(line)), None):
        raise InputError(
            f"a message has the line {role.strip()!r}, which would begin another message there",
            "--to prompty",
            "choose --to promptfoo, langchain or python",
        )
    if "\n".join(lines) != text or text.strip("\n") != text:
        raise InputError(
            "a message has line ends that the format would change",
            "--to prompty",
            "choose --to promptfoo, langchain or python",
        )
