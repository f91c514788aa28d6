"""Pictures: those that a prompt shows, and those that a model drew.

A picture that a prompt shows is a file, a web address or a `data:` URL. Files become `data:` URLs,
so that a call's key depends on what they show.

What a model drew is kept as a file named by its content, and `image:NAME` is its address: that is
the answer's text in the ledger, for scorers, and for a later prompt or a judge that shows it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from promptlathe.documents import Within, check_file, find, is_file, read_bytes
from promptlathe.errors import InputError
from promptlathe.records import Answer, Image, Message

MAX_BYTES = 10_000_000
"""Of a picture that a prompt shows."""
SCHEME = "image:"
_SCHEMES = ("http://", "https://", "data:")
_NONE = "the file is not a picture that models take"
_FIX = "use a PNG, JPEG, WebP or GIF file of at most 10 MB, a web address or a data: URL"


@dataclass(frozen=True)
class Pictures:
    """Those that models drew, as files of one folder; equal ones are one file."""

    folder: Path

    def keep(self, answer: Answer) -> Answer:
        """The answer with its picture as a file; any other as it is. Raises OSError."""
        if answer.drawn is None:
            return answer
        name = f"{sha256(answer.drawn).hexdigest()[:32]}.{picture_kind(answer.drawn)}"
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{name}.{uuid4().hex[:8]}.new")
            with beside.open("wb") as file:
                file.write(answer.drawn)
                file.flush()
                os.fsync(file.fileno())  # the ledger is going to say that it is there
            beside.replace(path)
        return replace(answer, text=f"{SCHEME}{name}", drawn=None, picture=path)

    def find(self, answer: Answer) -> Answer | None:
        """A kept answer with its picture's file; None when that is gone."""
        path = self.path(answer.text)
        return replace(answer, picture=path) if path is not None and is_file(path) else None

    def path(self, address: str) -> Path | None:
        """Of an address, whether or not the file is there; None for what is none."""
        name = address.removeprefix(SCHEME)
        plain = address.startswith(SCHEME) and name == Path(name).name
        return self.folder / name if plain else None


def embed(
    messages: Sequence[Message],
    folder: Path,
    within: Within = None,
    pictures: Pictures | None = None,
) -> tuple[Message, ...]:
    """The rendered messages with every picture's file as a `data:` URL.

    Paths are relative to `folder` or absolute, and do not lead out of `within`; web addresses and
    `data:` URLs stay. `pictures` are those that models drew. Raises `InputError` for a file that
    cannot be read or is no picture.
    """

    def shown(image: Image) -> Image:
        path = pictures.path(image.url) if pictures else None
        if path is not None:
            return replace(image, url=_data_url(path, image.url))
        if image.url.lower().startswith(_SCHEMES):
            return image
        check_picture(image.url, folder, within)
        return replace(image, url=_data_url(folder / image.url, image.url))

    def embedded(message: Message) -> Message:
        if isinstance(message.content, str) or not message.images:
            return message
        parts = (p if isinstance(p, str) else shown(p) for p in message.content)
        return replace(message, content=tuple(parts))

    return tuple(map(embedded, messages))


def check_picture(url: str, folder: Path, within: Within = None) -> None:
    """Raises `InputError` for what is no web address, and names no picture that may be read."""
    if url.lower().startswith("data:"):
        _check_data(url)
    elif not url.lower().startswith(_SCHEMES):
        path = find(folder, url, within, "picture")
        if not url or not is_file(path):
            raise InputError("no picture is there", url[:300], _FIX)
        check_file(path, MAX_BYTES)
        with path.open("rb") as file:
            if picture_kind(file.read(12)) is None:
                raise InputError(_NONE, url[:300], _FIX)


def _check_data(url: str) -> None:
    head, _, encoded = url.partition(",")
    try:
        data = base64.b64decode(encoded, validate=True) if head.endswith(";base64") else b""
    except ValueError:
        data = b""
    if picture_kind(data) is None:
        raise InputError("the data: URL holds no picture that models take", url[:60], _FIX)


def picture_kind(data: bytes) -> str | None:
    """By the first bytes, since names lie; None for what is no picture that models take."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return None


def _data_url(path: Path, name: str) -> str:
    data = read_bytes(path, MAX_BYTES)
    kind = picture_kind(data)
    if kind is None:
        raise InputError(_NONE, name, _FIX)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
