"""GGUF files for tests: a few bytes with a header that is right."""

import struct
from pathlib import Path
from typing import Any

Entry = tuple[str, int, Any]
LICENSED: tuple[Entry, ...] = (
    ("general.architecture", 8, "llama"),
    ("general.name", 8, "Tiny"),
    ("general.license", 8, "cc0-1.0"),
    ("llama.context_length", 4, 512),
)
LISTS: tuple[Entry, ...] = (("words", 9, ["a", "bc"]), ("scores", 9, [0.5, 1.5]))


def gguf(path: Path, entries: tuple[Entry, ...] = (*LICENSED, *LISTS), *, kind: int = 0) -> Path:
    """A file with one tensor of 32 weights of a kind (0: four bytes each)."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries))
    for name, form, value in entries:
        head += _text(name) + struct.pack("<I", form) + _value(form, value)
    head += _text("weights") + struct.pack("<IQIQ", 1, 32, kind, 0)
    head += b"\0" * (-len(head) % 32)
    path.write_bytes(head + b"\1" * 128)
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(form: int, value: Any) -> bytes:
    match form:
        case 8:
            return _text(value)
        case 9:
            inner = 8 if isinstance(value[0], str) else 6
            items = b"".join(_value(inner, one) for one in value)
            return struct.pack("<IQ", inner, len(value)) + items
        case 4:
            return struct.pack("<I", value)
        case _:
            return struct.pack("<f", value)
