"""Pictures in files become `data:` URLs, so that a call's key depends on what they show."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from promptlathe.documents import Within, check_file, find, is_file, read_bytes
from promptlathe.errors import InputError
from promptlathe.records import Image, Message

MAX_BYTES = 10_000_000
_SCHEMES = ("http://", "https://", "data:")
_FIX = "use a PNG, JPEG, WebP or GIF file of at most 10 MB, a web address or a data: URL"


def embed(messages: Sequence[Message], folder: Path, within: Within = None) -> tuple[Message, ...]:
    """The rendered messages with every picture's file as a `data:` URL.

    Paths are relative to `folder` or absolute, and do not lead out of `within`; web addresses and
    `data:` URLs stay. Raises `InputError` for a file that cannot be read or is no picture.
    """
    return tuple(_embedded(message, folder, within) for message in messages)


def check_picture(url: str, folder: Path, within: Within = None) -> None:
    """Raises `InputError` for an address of a picture that names no file which may be read."""
    if not url.lower().startswith(_SCHEMES):
        path = find(folder, url, within, "picture")
        if not is_file(path):
            raise InputError("no picture is there", url[:300], _FIX)
        check_file(path, MAX_BYTES)


def _embedded(message: Message, folder: Path, within: Within) -> Message:
    if isinstance(message.content, str) or not message.images:
        return message
    parts = tuple(
        part if isinstance(part, str) else replace(part, url=_url(part, folder, within))
        for part in message.content
    )
    return replace(message, content=parts)


def _url(image: Image, folder: Path, within: Within) -> str:
    if image.url.lower().startswith(_SCHEMES):
        return image.url
    check_picture(image.url, folder, within)
    data = read_bytes(folder / image.url, MAX_BYTES)
    kind = _kind(data)
    if kind is None:
        raise InputError("the file is not a picture that models take", image.url, _FIX)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _kind(data: bytes) -> str | None:
    """By the first bytes, since names lie."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None
