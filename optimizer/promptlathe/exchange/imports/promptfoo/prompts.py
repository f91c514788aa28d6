"""promptfoo's prompts: texts, chats in JSON or YAML, files of them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlathe.data.files import read_file
from promptlathe.documents import Document, Loc, load, read_text
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError
from promptlathe.exchange.imports.draft import Foreign
from promptlathe.exchange.imports.promptfoo.files import (
    PREFIX,
    is_program,
    line_with,
    named,
)
from promptlathe.exchange.imports.templates import Place, Reading
from promptlathe.records import Content, Image, Message

_FILES = (".txt", ".md", ".j2", ".json", ".jsonl", ".yaml", ".yml", ".csv")
_ELSEWHERE = ("langfuse://", "helicone://", "portkey://", "exec:")
_UNQUOTED = re.compile(r"(?<![\"\w])\{\{[^{}]*\}\}(?!\")")
"""A value in a JSON text that is filled in whole, quotes and all."""


@dataclass(frozen=True)
class Raw:
    """The text of a prompt, before anything in it is read."""

    text: str
    label: str | None
    place: Place


def read_prompts(document: Document, reading: Reading) -> tuple[Foreign, ...]:
    """The prompts of a configuration. Raises InputError when there is none."""
    given = document.data.get("prompts")
    if not given:
        raise InputError(
            "the configuration has no prompts" if given is None else "the list of prompts is empty",
            document.where(("prompts",)) or str(document.path),
            "add `prompts:` with a text, such as `- 'Classify: {{ text }}'`",
        )
    raws = list(_raws(document, reading))
    found: list[Foreign] = []
    for number, raw in enumerate(raws, 1):
        messages = _messages(raw, reading)
        if messages:
            name = _name(raw.label) or f"prompt-{number}"
            found.append(Foreign(name, messages, raw.place(1, "")))
    if not found:
        why = f" ({reading.lost[0].what})" if reading.lost else ""
        raise InputError(
            f"none of its prompts can be read{why}",
            (reading.lost[0].where if reading.lost else None) or document.where(("prompts",)),
            "write a prompt as a text, or as a list of messages",
        )
    return tuple(found)


def _name(label: str | None) -> str | None:
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", label or "").strip("_")
    return plain[:40] or None


def _raws(document: Document, reading: Reading) -> Iterator[Raw]:
    given: Any = document.data["prompts"]
    if isinstance(given, str) and given.startswith(PREFIX) and given.endswith((".yaml", ".yml")):
        (path,) = named(document, given, ("prompts",))[:1]
        listed = load(path, document.within)
        if isinstance(listed.data, list) and not _is_chat(listed.data):
            inner = Document({"prompts": listed.data}, path, None, within=document.within)
            yield from _raws(inner, reading)
            return
    entries: list[tuple[Loc, Any, str | None]] = []
    if isinstance(given, dict):
        entries = [(("prompts", key), key, str(label)) for key, label in given.items()]
    elif isinstance(given, list):
        entries = [(("prompts", n), one, None) for n, one in enumerate(given)]
    else:
        entries = [(("prompts",), given, None)]
    for loc, one, label in entries:
        yield from _of_entry(document, loc, one, label, reading)


def _of_entry(
    document: Document, loc: Loc, one: Any, label: str | None, reading: Reading
) -> Iterator[Raw]:
    where = document.where(loc)
    if isinstance(one, dict):
        given = one.get("label") or one.get("id")
        label = str(given) if given else label
        for key in one:
            if key not in ("id", "label", "raw", "display"):
                reading.lose(f"the key {key!r} of a prompt", document.where((*loc, key)))
        one = one.get("raw", one.get("id"))
        loc = (*loc, "raw")
    if not isinstance(one, str):
        reading.lose("a prompt that is no text", where)
        return
    if one.startswith(_ELSEWHERE):
        how = "; import it with promptlathe import langfuse:NAME" if "langfuse" in one else ""
        reading.lose(f"a prompt that is kept elsewhere: {one}{how}", where)
    elif is_program(one) and "\n" not in one and " " not in one:
        reading.lose(f"a prompt that a program makes: {one}", where)
    elif one.startswith(PREFIX) or _is_path(document, one):
        for path in named(document, one, loc):
            if is_program(path.name):
                reading.lose(f"a prompt that a program makes: {path.name}", where)
            else:
                yield from _of_file(path, label, document)
    else:
        yield Raw(one, label, lambda _, piece: line_with(document, loc, piece) or where)


def _is_path(document: Document, text: str) -> bool:
    """promptfoo also takes the bare name of a file."""
    if "\n" in text or not text.lower().endswith(_FILES):
        return False
    return " " not in text or (document.folder / text).is_file()


def _of_file(path: Path, label: str | None, document: Document) -> Iterator[Raw]:
    def at(start: int) -> Place:
        return lambda line, piece: f"{path}:{start + max(line, 1) - 1}"

    name = label or path.stem
    match path.suffix.lower():
        case ".csv":
            for row in read_file(path):
                if text := row.values.get("prompt"):
                    yield Raw(text, row.values.get("label") or label, lambda _, __, w=row.where: w)
        case ".jsonl":
            for number, line in enumerate(read_text(path).split("\n"), 1):
                if line.strip():
                    yield Raw(line, f"{name}_{number}", at(number))
        case ".yaml" | ".yml":
            data = load(path, document.within).data
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            yield Raw(text, name, at(1))
        case ".txt":
            yield from _of_text(read_text(path).replace("\r\n", "\n"), name, at)
        case _:
            yield Raw(read_text(path).replace("\r\n", "\n"), name, at(1))


def _of_text(text: str, name: str, at: Any) -> Iterator[Raw]:
    """Several prompts in a file are apart by lines of three dashes."""
    parts: list[tuple[int, list[str]]] = [(1, [])]
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() == "---":
            parts.append((number + 1, []))
        else:
            parts[-1][1].append(line)
    filled = [(start, lines) for start, lines in parts if "".join(lines).strip()]
    for number, (start, lines) in enumerate(filled, 1):
        blank = next(n for n, line in enumerate(lines) if line.strip())
        label = name if len(filled) == 1 else f"{name}_{number}"
        yield Raw("\n".join(lines).strip(), label, at(start + blank))


def _messages(raw: Raw, reading: Reading) -> tuple[Message, ...]:
    chat = _chat(raw.text)
    if chat is None:
        text = reading.jinja(raw.text, raw.place).strip("\n")
        return (Message("user", text),) if text.strip() else ()
    found: list[Message] = []
    for one in chat:
        if not isinstance(one, dict) or one.get("role") not in (
            "system",
            "developer",
            "user",
            "assistant",
        ):
            reading.lose(f"a message that is none: {str(one)[:60]}", raw.place(1, ""))
            continue
        content = _content(one.get("content"), raw, reading)
        if extra := [key for key in one if key not in ("role", "content")]:
            reading.lose(f"the key {extra[0]!r} of a message", raw.place(1, str(extra[0])))
        if content:
            found.append(Message(one["role"], content))
    return tuple(found)


def _content(given: Any, raw: Raw, reading: Reading) -> Content:
    if isinstance(given, str):
        return reading.jinja(given, raw.place).strip("\n")
    parts: list[str | Image] = []
    for part in given if isinstance(given, list) else ():
        match part:
            case {"type": "text" | "input_text", "text": str(text)}:
                parts.append(reading.jinja(text, raw.place).strip("\n"))
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                parts.append(Image(reading.jinja(url, raw.place)))
            case _:
                reading.lose(f"a part of a message: {str(part)[:60]}", raw.place(1, ""))
    if all(isinstance(part, str) for part in parts):
        return "\n".join(map(str, parts))
    return tuple(part for part in parts if part)


def _is_chat(data: Any) -> bool:
    return (
        isinstance(data, list)
        and bool(data)
        and all(isinstance(one, dict) and "role" in one for one in data)
    )


def _chat(text: str) -> list[Any] | None:
    """The messages, where the text is a chat in JSON or YAML."""
    start = text.lstrip()
    if start.startswith("["):
        for one in (text, _UNQUOTED.sub(lambda match: json.dumps(match[0]), text)):
            try:
                data = json.loads(one)
            except ValueError:
                continue
            return data if _is_chat(data) else None
    if start.startswith("- role:"):
        try:
            data, _ = read_yaml(text, "prompt")
        except InputError:
            return None
        return data if _is_chat(data) else None
    return None
