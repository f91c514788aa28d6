"""Rows that are conversations: a field with chat messages, which a prompt takes in as they are.

    {"messages": [{"role": "user", "content": "Where is my order?"},
                  {"role": "assistant", "content": null, "tool_calls": [{"id": "1", …}]},
                  {"role": "tool", "tool_call_id": "1", "content": "sent on Monday"}]}

A turn's content is a text, or a list of parts: texts and pictures, in OpenAI's spelling or as in a
space. Nothing in a turn is ever filled in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptlathe.documents import nearest
from promptlathe.records import Content, Image, Message

TURNS = ("user", "assistant", "tool")
KEYS = ("role", "content", "name", "tool_calls", "tool_call_id")
ASKING = ("user", "tool")
"""Who has the last word before the model answers."""


def turns_of(given: Any) -> tuple[Message, ...]:
    """A row's conversation as messages. Raises ValueError(what, fix)."""
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(
            "is no list of chat messages" if given != [] else "has no turn",
            'write [{"role": "user", "content": "…"}, …]',
        )
    turns: list[Message] = []
    asked: set[str] = set()
    """Ids of the tool calls so far."""
    for number, one in enumerate(cast("list[Any]", given), start=1):
        try:
            turn = _turn(one)
            asked |= _ids(turn)
            if turn.role == "tool" and turn.more.get("tool_call_id") not in asked:
                raise ValueError(
                    "answers no tool call of a turn before it",
                    'give it the `tool_call_id` that stands as `id` in "tool_calls"',
                )
        except ValueError as error:
            raise ValueError(f"turn {number} {error.args[0]}", error.args[1]) from None
        turns.append(turn)
    return tuple(turns)


def asks(turns: Sequence[Message]) -> bool:
    """The model has the next word."""
    return turns[-1].role in ASKING


def transcript(given: Any) -> str | None:
    """A conversation for people to read, a paragraph a turn; None of what is none."""
    try:
        turns = turns_of(given)
    except ValueError:
        return None
    return "\n".join(f"{turn.role}: {_shown(turn)}" for turn in turns)


def _shown(turn: Message) -> str:
    parts = [turn.text, *(f"[picture {image.url[:60]}]" for image in turn.images)]
    for call in turn.more.get("tool_calls", ()):
        function = call["function"]
        parts.append(f"[calls {function['name']}({function['arguments']})]")
    return " ".join(part for part in parts if part)


def _turn(given: Any) -> Message:
    if not isinstance(given, Mapping):
        raise ValueError("is no object", 'write {"role": "user", "content": "…"}')
    turn = cast("Mapping[str, Any]", given)
    role = turn.get("role")
    if role in ("system", "developer"):
        raise ValueError(
            f"has the role {role!r}: that prompt is what the space writes",
            "take it out of the row; what differs by row goes into a field of its own, which a "
            "message of the space names",
        )
    if role not in TURNS:
        raise ValueError(f"has the role {role!r}", f"roles are: {', '.join(TURNS)}")
    if unknown := next((key for key in turn if key not in KEYS), None):
        near = nearest(unknown, KEYS)
        raise ValueError(
            f"has the unknown key {unknown!r}",
            f"did you mean {near!r}?" if near else f"a turn may have: {', '.join(KEYS)}",
        )
    more = {key: turn[key] for key in KEYS[2:] if turn.get(key) is not None}
    if "tool_calls" in more:
        _check_calls(role, more["tool_calls"])
    if role == "tool" and not isinstance(more.get("tool_call_id"), str):
        raise ValueError("has no `tool_call_id`", "name the call that it answers")
    content = turn.get("content")
    if content is None and "tool_calls" in more:
        return Message(role, "", {"content": None, **more})
    return Message(role, _content(content), more)


def _content(given: Any) -> Content:
    match given:
        case str() if given.strip():
            return given
        case list() | tuple() if given:
            return tuple(_part(one) for one in cast("list[Any]", given))
        case _:
            raise ValueError("has no content", "write a text, or a list of parts")


def _part(given: Any) -> str | Image:
    match given:
        case str(text) | {"type": "text", "text": str(text)}:
            return text
        case {"type": "image_url", "image_url": {"url": str(url), **more}} | {
            "image": str(url),
            **more,
        } if isinstance(more.get("detail"), str | None):
            return Image(url, more.get("detail"))
        case _:
            raise ValueError(
                f"has a part that is neither text nor picture: {str(given)[:60]!r}",
                'write {"type": "text", "text": "…"} or {"image": "file.png"}',
            )


def _check_calls(role: str, given: Any) -> None:
    if role != "assistant":
        raise ValueError(f"has `tool_calls`, and is the {role}'s", "only an assistant calls tools")
    calls = cast("list[Any]", given) if isinstance(given, list | tuple) else [None]
    for call in calls or [None]:
        match call:
            case {"id": str(), "function": {"name": str(), "arguments": str()}}:
                pass
            case _:
                raise ValueError(
                    "has `tool_calls` that are none",
                    'write [{"id": "1", "type": "function", "function": {"name": "…", '
                    '"arguments": "{…}"}}]',
                )


def _ids(turn: Message) -> set[str]:
    return {call["id"] for call in turn.more.get("tool_calls", ())}
