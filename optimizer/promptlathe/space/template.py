"""Templates: plain substitution of `{{ name }}`, the syntax of MLflow's prompt registry.

Nothing is ever evaluated: a value that itself looks like a placeholder stays text.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from promptlathe.errors import InputError
from promptlathe.records import Content, Image, Message
from promptlathe.space.conversation import turns_of

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_.]+)?)\s*\}\}")
"""As MLflow finds them, dotted names included: it would fill these in."""
STATEMENT = re.compile(r"\{%|%\}")
"""With both of these in a message, MLflow runs it as Jinja when it formats the prompt."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = re.compile(r"\\(\{\{.*?\}\}|\}\})")
"""Braces that are meant as they are: `\\{{ so }}`, or `\\}}`."""
_DECLARED = re.compile(f"{_ESCAPED.pattern}|{PLACEHOLDER.pattern}")
_KNOWN = re.compile(rf"{_ESCAPED.pattern}|\{{\{{[^\S\n]*{_NAME.pattern}[^\S\n]*\}}\}}")
"""What double braces may be: escaped, or a flat name on one line."""
SHOWN = 60
"""Characters of a text that a message shows."""
CONVERSATION, DEMOS = "conversation", "demos"
"""Roles of what stands in place of a message: turns of the row, and turns that are demos. The
content names what they are taken from, as a placeholder."""


def placeholders(text: str) -> tuple[str, ...]:
    """The names in `text`, each once, in order of appearance."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def named_by(message: Message) -> str:
    """The field or the component that a conversation or demos are taken from."""
    return placeholders(message.text)[0]


def is_name(name: str) -> bool:
    """True when `{{ name }}` is a placeholder."""
    return bool(_NAME.fullmatch(name))


def not_placeholder(text: str) -> str | None:
    """The first double braces in a declared text that are neither a placeholder nor escaped: a
    model would see them as they are. None when there are none.

    An escaped placeholder counts, too: MLflow would fill it in. Braces of JSON do not: two that
    close may stand where two are open.
    """
    bare = _KNOWN.sub(_blank, text)
    opened = 0
    for place, brace in enumerate(bare):
        if brace == "{":
            if bare.startswith("{{", place):
                return _excerpt(text, place - (bare[place - 1 : place] == "\\"))
            opened += 1
        elif brace == "}":
            if not opened and "}" in (bare[place - 1 : place], bare[place + 1 : place + 2]):
                line = text.rfind("\n", 0, place) + 1
                return text[max(line, place - SHOWN // 2) : place + 2].strip()
            opened = max(0, opened - 1)
    return None


def escaped(text: str) -> tuple[str, ...]:
    """What stands between escaped double braces, without the spaces around it."""
    return tuple(block[2:-2].strip() for block in _ESCAPED.findall(text))


def _blank(known: re.Match[str]) -> str:
    fills = known[1] is not None and PLACEHOLDER.fullmatch(known[1])
    return known[0] if fills else " " * len(known[0])


def _excerpt(text: str, start: int) -> str:
    """From `start` to the braces that close, on this line or the next, or to the line's end."""
    one, *more = text[start:].split("\n", 2)
    two = f"{one}\\n{more[0]}" if more else one
    end = two.find("}}")
    shown = two[: end + 2] if end >= 0 else one
    return shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 1]}…"


def is_inert(text: str) -> bool:
    """True when no template engine would change `text`: it may be baked into a prompt."""
    return not (PLACEHOLDER.search(text) or STATEMENT.search(text))


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Replace each `{{ name }}` found in `values`, in one pass; others stay as they are."""

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        return str(values[name]) if name in values else match[0]

    return PLACEHOLDER.sub(value_of, text) if "{{" in text else text


def fill_declared(text: str, values: Mapping[str, Any]) -> str:
    """The same for a text as it was declared: what is escaped becomes what it stands for.

    A list or an object is written as JSON: a demo shows the answer that is wanted. (`fill` writes
    it as MLflow's registry does, which formats a prompt for a row.)
    """

    def value_of(match: re.Match[str]) -> str:
        literal, name = match[1], match[2]
        if literal is not None:
            return literal
        return _written(values[name]) if name in values else match[0]

    return _DECLARED.sub(value_of, text) if "{{" in text or "}}" in text else text


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def compose(template: str, parts: Mapping[str, str | None]) -> str:
    """Fill components into a template.

    A part of None or "" is left out; a line that then holds nothing else goes too, with one
    of the blank lines around it, so that a missing section leaves no hole.
    """
    kept: list[str] = []
    skip_blank = False
    for line in template.strip().split("\n"):
        if skip_blank and not line.strip():
            skip_blank = False
            continue
        names = placeholders(line)
        filled = fill_declared(line, {n: parts[n] or "" for n in names if n in parts})
        if names and not filled.strip():
            skip_blank = not kept or not kept[-1].strip()
            continue
        skip_blank = False
        kept.append(filled)
    return "\n".join(kept).strip()


def compose_message(message: Message, parts: Mapping[str, str | None]) -> Message:
    """Fill components into all parts of a message; a part that ends up empty is left out."""
    return _mapped(message, lambda text: compose(text, parts), lambda url: compose(url, parts))


def rendered(
    messages: Iterable[Message],
    row: Mapping[str, Any],
    turns: Mapping[str, tuple[Message, ...]],
) -> tuple[Message, ...]:
    """The messages that are sent for one row: its fields in their placeholders, its conversation
    and the demos' turns (by component) as they are.

    Raises InputError when a picture's address would be made of something that is no text, and for
    a conversation that is none.
    """
    return _rendered(messages, row, turns, fill)


def render_declared(messages: Iterable[Message], row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The same for messages as they were declared: what is escaped becomes what it stands for."""
    return _rendered(messages, row, {}, fill_declared)


def _rendered(
    messages: Iterable[Message],
    row: Mapping[str, Any],
    turns: Mapping[str, tuple[Message, ...]],
    fill_in: Callable[[str, Any], str],
) -> tuple[Message, ...]:
    return tuple(sent for message in messages for sent in _sent(message, row, turns, fill_in))


def _sent(
    message: Message,
    row: Mapping[str, Any],
    turns: Mapping[str, tuple[Message, ...]],
    fill_in: Callable[[str, Any], str],
) -> tuple[Message, ...]:
    if message.role == DEMOS:
        return turns[named_by(message)]
    if message.role != CONVERSATION:
        return (_mapped(message, lambda text: fill_in(text, row), lambda url: _address(url, row)),)
    field = named_by(message)
    try:
        return turns_of(row.get(field))
    except ValueError as error:
        raise InputError(f"the conversation {error.args[0]}", field, error.args[1]) from None


def _mapped(
    message: Message, of_text: Callable[[str], str], of_url: Callable[[str], str]
) -> Message:
    if isinstance(message.content, str):
        content: Content = of_text(message.content)
    else:
        changed = (
            of_text(one) if isinstance(one, str) else replace(one, url=of_url(one.url))
            for one in message.content
        )
        content = tuple(one for one in changed if (one.url if isinstance(one, Image) else one))
    return Message(message.role, content, message.more)


def _address(url: str, row: Mapping[str, Any]) -> str:
    for name in placeholders(url):
        if name in row and not isinstance(row[name], str):
            raise InputError(
                f"the picture {url} is {row[name]!r} in a row, which is no text",
                name,
                "write the path of a file, or a web address",
            )
    return fill(url, row)
