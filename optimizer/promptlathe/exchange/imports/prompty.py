"""`.prompty` files, versions 1 and 2."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from promptlathe.documents import Document, read_text
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError
from promptlathe.exchange.imports.draft import Draft, Foreign, Lost, Names
from promptlathe.exchange.imports.models import settings
from promptlathe.exchange.imports.templates import Reading
from promptlathe.exchange.roles import ROLE
from promptlathe.records import Json, Message

_HEAD = re.compile(r"\s*---[^\S\n]*\n(.*?)^---[^\S\n]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_PROVIDERS = {
    "openai": None,
    "azure": "azure",
    "azure_openai": "azure",
    "anthropic": "anthropic",
    "foundry": None,
    "serverless": None,
}
_READ = (
    "name",
    "description",
    "model",
    "sample",
    "inputs",
    "template",
    "version",
    "authors",
    "tags",
)
"""Keys of the head that are looked at, or say nothing to a run."""

_MODEL = (
    "api",
    "apiType",
    "configuration",
    "connection",
    "id",
    "options",
    "parameters",
    "provider",
    "response",
)
"""Those of the model."""


def read_prompty(path: Path) -> Draft:
    """Raises InputError for a file that is none, or of which nothing remains."""
    text = read_text(path)
    head = _HEAD.match(text)
    body = text[head.end() :] if head else text
    above = text[: len(text) - len(body)].count("\n")
    given, document = _head(path, text[: head.end()] if head else "", head)
    reading = Reading(Names())
    lost = [Lost(f"the key {key!r}", document.where((key,))) for key in given if key not in _READ]
    language = _language(given)
    messages: list[Message] = []
    for role, line, content in _messages(body):
        if not content.strip():
            continue
        start = above + line

        def place(number: int, piece: str, start: int = start) -> str:
            return f"{path}:{start + max(number, 1) - 1}"

        if picture := _IMAGE.search(content):
            lost.append(Lost("a picture: it stays as text", place(1, picture[0])))
        convert = reading.jinja if language == "jinja2" else reading.mustache
        converted = convert(content.strip("\n"), place)
        if converted.strip():
            messages.append(Message(role, converted.strip("\n")))
    lost = [*lost, *reading.lost]
    if not messages or not reading.names.known:
        what = "no text remains" if not messages else "the prompt shows no field of a row"
        first = next(iter(reading.lost), None)
        raise InputError(
            f"{what}{f' ({first.what})' if first else ''}",
            (first.where if first else None) or str(path),
            "write a prompt with inputs in double braces, such as {{ question }}",
        )
    model = _model(given, document, lost)
    row = _sample(given, reading)
    name = str(given.get("name") or path.stem)
    return Draft(
        name=name,
        source=path.name,
        prompts=(Foreign(name, tuple(messages), str(path)),),
        model=model,
        rows=(row,) if row else (),
        kept=_kept(model, row, reading),
        lost=tuple(lost),
    )


def _head(path: Path, text: str, match: re.Match[str] | None) -> tuple[dict[str, Any], Document]:
    if match is None:
        return {}, Document({}, path)
    blank = "\n" * text[: match.start(1)].count("\n")
    data, lines = read_yaml(blank + match[1], str(path))
    if data is not None and not isinstance(data, dict):
        raise InputError("the head is no mapping", f"{path}:2", "write keys such as `name: …`")
    return data or {}, Document(data or {}, path, lines)


def _language(given: Mapping[str, Any]) -> str:
    """Of the template: version 1 names it, version 2 has a mapping."""
    template = given.get("template") or "jinja2"
    if isinstance(template, dict):
        template = template.get("format") or template.get("type") or "jinja2"
    if isinstance(template, dict):
        template = template.get("kind") or "jinja2"
    return str(template)


def _messages(body: str) -> list[tuple[str, int, str]]:
    """(role, line of its text from 1, text); before the first role it is the system's."""
    found: list[tuple[str, int, list[str]]] = [("system", 1, [])]
    for number, line in enumerate(body.split("\n"), 1):
        if role := ROLE.fullmatch(line):
            found.append((role[1].lower(), number + 1, []))
        else:
            found[-1][2].append(line)
    return [(role, line + _blank(lines), "\n".join(lines)) for role, line, lines in found]


def _blank(lines: list[str]) -> int:
    """Lines before the text, which are cut off."""
    return next((n for n, line in enumerate(lines) if line.strip()), 0)


def _model(given: Mapping[str, Any], document: Document, lost: list[Lost]) -> dict[str, Json]:
    model: Any = given.get("model")
    if isinstance(model, str):
        return {"name": model}
    if not isinstance(model, dict):
        return {}

    def losing(part: str) -> Callable[[str, str], None]:
        def lose(key: str, what: str) -> None:
            lost.append(Lost(what, document.where(("model", part, key))))

        return lose

    own, connection = _mapping(model.get("configuration")), _mapping(model.get("connection"))
    name = model.get("id") or own.get("azure_deployment") or own.get("name") or own.get("model")
    provider = str(model.get("provider") or own.get("type") or "openai")
    found: dict[str, Json] = {"name": str(name)} if name else {}
    if (preset := _PROVIDERS.get(provider)) and name:
        found["provider"] = preset
    if provider not in _PROVIDERS:
        lost.append(
            Lost(
                f"the provider {provider!r}: name its address with base_url",
                document.where(("model",)),
            )
        )
    address = own.get("azure_endpoint") or own.get("base_url") or connection.get("endpoint")
    if isinstance(address, str) and address.startswith("http"):
        found["base_url"] = address.rstrip("/")
    for part in ("parameters", "options"):
        given_here: Any = model.get(part)
        if isinstance(given_here, dict):
            found |= settings(
                given_here, losing(part), ignored=("tools",) if not given_here.get("tools") else ()
            )
    lost += [
        Lost(f"the key {key!r} of the model", document.where(("model", key)))
        for key in model
        if key not in _MODEL
    ]
    return found if name else {}


def _mapping(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _sample(given: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """A row of what the file gives as an example; {} where it has none for a field."""
    sample: dict[str, Any] = {}
    if isinstance(given.get("sample"), dict):
        sample |= given["sample"]
    inputs: Any = given.get("inputs")
    entries = inputs.items() if isinstance(inputs, dict) else ()
    if isinstance(inputs, list):
        entries = [(one.get("name"), one) for one in inputs if isinstance(one, dict)]
    for name, spec in entries:
        value: Any = spec
        if isinstance(spec, dict):
            keys = ("sample", "example", "default")
            value = next((spec[key] for key in keys if spec.get(key) is not None), None)
        if value is not None and name not in sample:
            sample[str(name)] = value
    return reading.row(sample)


def _kept(model: Mapping[str, Json], row: Mapping[str, Any], reading: Reading) -> tuple[str, ...]:
    fields = ", ".join(reading.names.known)
    kept = [f"fields: {fields}"]
    if model:
        kept.append(f"the model {model['name']}, with {len(model) - 1} settings")
    if row:
        kept.append("the sample: the first row")
    kept += [f"the field {old!r} is called {new!r}" for old, new in reading.names.changed.items()]
    return tuple(kept)
