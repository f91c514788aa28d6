"""Pictures in files: read, checked, and part of a call's key."""

import base64
import json
import os
from pathlib import Path

import pytest

from promptlathe.errors import InputError
from promptlathe.job import Job, check
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


@pytest.mark.parametrize(
    ("photo", "said"),
    [
        ("b.png", "no picture is there"),
        ("", "no picture is there"),
        ("note.txt", "is not a picture"),
        ("../secret.png", "no picture is there"),
        ("data:image/png;base64,AAAA", "holds no picture"),
        ("data:text/plain,hello", "holds no picture"),
        (7, "is no text"),
    ],
)
def test_a_row_whose_picture_is_none_is_named(photo: object, said: str, tmp_path: Path) -> None:
    """Before anything is sent, with the file and the line."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "note.txt").write_text("text")
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    good = ["a.png", "https://host/a.png", url]
    rows = [{"photo": good[i % 3], "text": f"row {i}", "label": "ab"[i % 2]} for i in range(60)]
    rows[41]["photo"] = photo  # type: ignore[assignment]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "job.yaml").write_text(
        """
        space:
          messages: {user: ["{{ how }}", "{{ text }}", {image: "{{ photo }}"}]}
          components: {how: {choice: [Which?, Say which.]}}
        objective: {dataset: rows.jsonl, scorers: [exact_match: label]}
        model: {name: m, base_url: "http://127.0.0.1:9/v1"}
        """
    )
    job = Job.load(tmp_path / "job.yaml", workspace=tmp_path)
    with pytest.raises(InputError, match=said) as raised:
        check(job)
    if said != "is no text":
        assert "rows.jsonl" in str(raised.value)
        assert "42" in str(raised.value)
