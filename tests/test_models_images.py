"""Pictures in files: read, checked, and part of a call's key."""

import os
from pathlib import Path

import pytest

from promptlathe.errors import InputError
from promptlathe.models import ModelSettings, embed
from promptlathe.records import Image, Message

PNG = b"\x89PNG\r\n\x1a\n"


def key(folder: Path) -> str:
    messages = embed((Message("user", ("what?", Image("a.png"))),), folder)
    return ModelSettings(name="m").call(messages).key


def test_the_key_depends_on_the_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "a.png").write_bytes(PNG)
    assert key(one) == key(two)
    (two / "a.png").write_bytes(PNG + b"x")
    assert key(one) != key(two)


@pytest.mark.parametrize("url", ["https://host/a.png", "data:image/png;base64,AA"])
def test_addresses_pass(url: str, tmp_path: Path) -> None:
    message = Message("user", (Image(url),))
    assert embed((message,), tmp_path) == (message,)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("text")
    (tmp_path / "big.png").write_bytes(PNG + bytes(10_000_000))
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("a.png", "big.png", "pipe.png", "none.png", "nul\0.png"):
        with pytest.raises(InputError):
            embed((Message("user", (Image(name),)),), tmp_path)
