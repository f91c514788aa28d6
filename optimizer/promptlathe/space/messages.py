"""The messages of a template, as YAML and Python spell them.

{system: "…", user: "…"}                     a text for each role
[{system: "…"}, {user: ["…", {image: "{{ photo }}"}]}]       a list; a message of parts
[{system: "…"}, {demos: demos}, {conversation: messages}]    turns, in place of a message
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, cast

from pydantic import BeforeValidator, PlainSerializer
from typing_extensions import TypedDict

from promptlathe.records import Content, Image, Message
from promptlathe.space.template import CONVERSATION, DEMOS, is_name, named_by

ROLES = ("system", "developer", "user", "assistant")
PLACED: Mapping[str, str] = {
    CONVERSATION: "a field of the rows that holds chat messages",
    DEMOS: "a component of demos",
}
"""What may stand in place of a message, by its key: it names what its turns are taken from."""


class ImageInput(TypedDict):
    """A picture in a message."""

    image: str
    detail: NotRequired[str]


ContentInput = str | list[str | ImageInput]


def read_messages(given: Any) -> Any:
    """A mapping {role: content}, a list of such or of chat messages, or one text (the user's)."""
    if isinstance(given, str):
        return (Message("user", given),)
    if isinstance(given, Mapping):
        given = [{role: content} for role, content in given.items()]
    messages: list[Message] = []
    for one in cast("list[Any]", given) if isinstance(given, list | tuple) else ():
        if isinstance(one, Message):
            messages.append(one)
        elif isinstance(one, Mapping) and set(one) == {"role", "content"}:
            messages.append(_message(one["role"], one["content"]))
        elif isinstance(one, Mapping):
            messages.extend(_message(role, content) for role, content in one.items())
        else:
            messages.clear()
            break
    if not messages:
        raise _wrong_messages()
    known = (*ROLES, *PLACED)
    if wrong := next((m.role for m in messages if m.role not in known), None):
        raise ValueError(
            f"unknown role {wrong!r}",
            f"roles are: {', '.join(ROLES)}; in place of a message: {', '.join(PLACED)}",
        )
    return tuple(messages)


def _message(role: Any, content: Any) -> Message:
    if role not in PLACED:
        return Message(str(role), read_content(content))
    if not isinstance(content, str) or not is_name(content):
        raise ValueError(
            f"{content!r} is not the name of {PLACED[role]}",
            f"write it without braces, such as  - {role}: "
            + ("messages" if role == CONVERSATION else "demos"),
        )
    return Message(role, f"{{{{ {content} }}}}")


def read_content(given: Any) -> Content:
    """A text, or a list of texts and pictures. Raises ValueError(what, fix)."""
    if isinstance(given, str):
        return given
    if not isinstance(given, list | tuple) or not given:
        raise _wrong_messages()
    return tuple(_part(one) for one in cast("list[Any]", given))


def _part(given: Any) -> str | Image:
    if isinstance(given, str | Image):
        return given
    if isinstance(given, Mapping) and {"image"} <= set(given) <= {"image", "detail"}:
        url, detail = given["image"], given.get("detail")
        if isinstance(url, str) and isinstance(detail, str | None):
            return Image(url, detail)
    raise ValueError(
        f"{given!r} is no part of a message", 'write a text, or {image: "{{ field }}"}'
    )


def _wrong_messages() -> ValueError:
    return ValueError(
        "must map roles to texts", 'write {system: "…", user: "…"}, or a list of such'
    )


def spell_messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """As YAML has them."""
    return [_spelling(message) for message in messages]


def _spelling(message: Message) -> dict[str, Any]:
    if message.role in PLACED:
        return {message.role: named_by(message)}
    if isinstance(message.content, str):
        return {message.role: message.content}
    return {message.role: [_part_spelling(part) for part in message.content]}


def _part_spelling(part: str | Image) -> Any:
    if isinstance(part, str):
        return part
    return {"image": part.url} | ({} if part.detail is None else {"detail": part.detail})


MessagesInput = dict[str, ContentInput] | list[dict[str, ContentInput]]
Messages = Annotated[
    tuple[Message, ...],
    BeforeValidator(read_messages, json_schema_input_type=MessagesInput),
    PlainSerializer(spell_messages),
]
