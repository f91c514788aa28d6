"""A prompt as people have it: a text, chat messages in JSON or YAML, a registered one, stdin."""

from __future__ import annotations

import json
import re
import string
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from promptlathe.documents import nearest, read_text
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError
from promptlathe.exchange.exports.chosen import REGISTERED
from promptlathe.space import placeholders
from promptlathe.space.template import not_placeholder

LONGEST = 200_000
"""Characters of a prompt."""
ROLES = ("system", "developer", "user", "assistant")
_DOUBLE = re.compile(r"(?<!\\)\{\{\s*([^{}\n]+?)\s*\}\}")
_SINGLE = re.compile(r"(?<!\{)\{\s*([^{}\n]+?)\s*\}(?!\})")
_DOLLAR = re.compile(r"\$\{\s*([^{}\n]+?)\s*\}")
_ANGLE = re.compile(r"<([^<>/\n]+?)>")
_FORMS = (("${x}", _DOLLAR), ("{x}", _SINGLE), ("<x>", _ANGLE))
"""Placeholders of other tools, as they are shown and found. A `{x}` within `${x}` is the first."""


@dataclass(frozen=True)
class Given:
    """The user's prompt; `name` is that of the task unless the data names it."""

    name: str
    messages: tuple[tuple[str, str], ...]
    """(role, text), as they are sent."""
    where: str
    notes: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """All of it."""
        return "\n\n".join(text for _, text in self.messages)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names in its placeholders."""
        return placeholders(self.text)


def read_prompt(source: Any, workspace: Path | None = None) -> Given:
    """The prompt of a file's path, `-` (stdin), `prompts:/name@alias`, or in Python a text, or a
    list of messages.

    Raises InputError for what is empty, no text, or no prompt.
    """
    if not isinstance(source, str | Path):
        return _checked(Given("prompt", _messages(source, "prompt"), "prompt"))
    if str(source) == "-":
        return _checked(Given("prompt", (("user", _stdin()),), "stdin"))
    if str(source).startswith(REGISTERED):
        return _checked(_registered(str(source), workspace))
    path = Path(source)
    if isinstance(source, str) and ("\n" in source or (" " in source and not path.exists())):
        return _checked(Given("prompt", (("user", source),), "prompt"))
    text = read_text(path)
    messages: tuple[tuple[str, str], ...] = (("user", text),)
    if path.suffix.lower() in (".json", ".yaml", ".yml"):
        messages = _messages(_structured(path, text), str(path))
    return _checked(Given(path.stem, messages, str(path)))


def with_columns(given: Given, columns: Mapping[str, str]) -> Given:
    """The prompt with the placeholders of its own tool as ours, and the names of `columns` (as
    they stand in the data, with the field's name) as those of fields.

    Raises InputError for a placeholder that is no column.
    """
    known = {_folded(name): plain for name, plain in columns.items()}
    known |= {_folded(plain): plain for plain in columns.values()}
    notes = list(given.notes)

    def named(name: str) -> str | None:
        return known.get(_folded(name))

    if not any(named(name) for name in _DOUBLE.findall(given.text)):
        for shown, form in _FORMS:
            if any(named(name) for name in form.findall(given.text)):
                notes.append(f"its placeholders are written {shown}: they become {{{{ x }}}}")
                texts = tuple((role, _ours(text, form, named)) for role, text in given.messages)
                return replace(given, messages=texts, notes=tuple(notes))
    doubled = _DOUBLE.findall(given.text)
    singled = [name for _, form in _FORMS[:2] for name in form.findall(given.text)]
    unknown = [name for name in doubled if not named(name)] or (
        [] if doubled else [name for name in singled if name.isidentifier()]
    )
    if unknown:
        near = nearest(unknown[0], list(columns))
        raise InputError(
            f"the prompt has the placeholder {unknown[0]!r}, and the data has no such column"
            + (f"; did you mean {near!r}?" if near else ""),
            given.where,
            f"the columns are: {', '.join(columns)}",
        )

    def ours(match: re.Match[str]) -> str:
        name = named(match[1])
        return match[0] if name == match[1] else f"{{{{ {name} }}}}"

    texts = tuple((role, _DOUBLE.sub(ours, text)) for role, text in given.messages)
    for _, text in texts:
        if braces := not_placeholder(text):
            raise InputError(
                f"the prompt has {braces}, which is no placeholder",
                given.where,
                "write {{ column }} on one line; for braces that the model shall see \\{{ … }}",
            )
    return replace(given, messages=texts)


def _ours(text: str, form: re.Pattern[str], named: Any) -> str:
    if form is _SINGLE and (written := _formatted(text, named)) is not None:
        return written

    def ours(match: re.Match[str]) -> str:
        name = named(match[1])
        return f"{{{{ {name} }}}}" if name else match[0]

    return form.sub(ours, text)


def _formatted(text: str, named: Any) -> str | None:
    """As Python's `str.format` reads it, `{{` standing for `{`; None when it is no such text."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError:
        return None
    if any(name is not None and (not named(name) or spec or how) for _, name, spec, how in parts):
        return None
    return "".join(
        literal + (f"{{{{ {named(name)} }}}}" if name is not None else "")
        for literal, name, _, _ in parts
    )


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _checked(given: Given) -> Given:
    if not given.text.strip():
        raise InputError("the prompt is empty", given.where, "write what the model is asked")
    if len(given.text) > LONGEST:
        raise InputError(
            f"the prompt has {len(given.text):,} characters",
            given.where,
            f"a prompt has at most {LONGEST:,}: keep rows in the data",
        )
    if "{%" in given.text or "%}" in given.text:
        raise InputError(
            "the prompt has template code ({% … %}), which is never run",
            given.where,
            "write the text out; only {{ column }} is filled in",
        )
    if given.messages[-1][0] == "assistant":
        raise InputError(
            "the last message is the assistant's", given.where, "end with what the model is asked"
        )
    return replace(given, messages=tuple((role, text.strip()) for role, text in given.messages))


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read(4 * LONGEST + 1).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("is no text in UTF-8", "stdin", "give the prompt as UTF-8") from None


def _structured(path: Path, text: str) -> Any:
    if path.suffix.lower() != ".json":
        return read_yaml(text, str(path))[0]
    try:
        return json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise InputError(
            f"is not JSON: {error}",
            f"{path}:{line}",
            "a prompt that is a text is a .txt file",
        ) from None


def _messages(told: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Of a list of messages (`{role: …, content: …}` or `{user: …}`), or of what holds one."""
    if isinstance(told, str):
        return (("user", told),)
    if isinstance(told, Mapping):
        held = cast("Mapping[str, Any]", told)
        if "messages" in held or "template" in held:
            return _messages(held.get("messages", held.get("template")), where)
        told = [{role: text} for role, text in held.items()]
    if not isinstance(told, Sequence) or not told:
        raise _no_messages(where)
    return tuple(_message(one, where) for one in cast("Sequence[Any]", told))


def _message(told: Any, where: str) -> tuple[str, str]:
    if not isinstance(told, Mapping):
        raise _no_messages(where)
    one = cast("Mapping[str, Any]", told)
    role, text = (one["role"], one.get("content")) if "role" in one else next(iter(one.items()))
    if role not in ROLES or not isinstance(text, str):
        raise _no_messages(where)
    return str(role), text


def _no_messages(where: str) -> InputError:
    return InputError(
        "holds no chat messages with texts",
        where,
        'write [{"role": "system", "content": "…"}, {"role": "user", "content": "{{ text }}"}]',
    )


def _registered(named: str, workspace: Path | None) -> Given:
    from promptlathe.exchange.exports import chosen

    found = chosen(named, which=None, step="", workspace=workspace)
    messages = found.prompt.messages
    if any(not isinstance(one.content, str) or one.role not in ROLES for one in messages):
        raise InputError(
            "the prompt has pictures, demos or turns", named, "name one whose messages are texts"
        )
    texts = tuple((one.role, str(one.content)) for one in messages)
    return Given(found.name, texts, named)
