"""Text files to plain Python data, with the line of every key and item.

YAML 1.2 by ruamel.yaml, with four differences that suit configuration: dates stay text, digits
with underscores stay text (both as in YAML's core schema), keys are always text, and a key
that stands twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from promptlathe.documents.files import TEXT_BYTES, YAML_BYTES, read_bytes
from promptlathe.errors import InputError

_TAG = "tag:yaml.org,2002:"
DEEPEST = 100
"""Levels of lists and mappings within each other."""
HALF = re.compile("[\ud800-\udfff]")
"""Half a character: what no file and no service takes."""
MOST_DIGITS = 300
"""Of a whole number: beyond it, it is no number that a computer reckons with."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Where a value stands: its line, counted from 1, and those of what it holds."""

    line: int
    children: Mapping[str | int, Lines] = field(default_factory=dict["str | int", "Lines"])


def read_text(path: Path, most: int = TEXT_BYTES) -> str:
    """The text of a UTF-8 file; a byte order mark at its start is dropped.

    Raises `InputError` for a file that is missing, no regular one, larger than `most` bytes,
    unreadable, or no text in UTF-8 (with the line).
    """
    raw = read_bytes(path, most)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place, what = error.start, f"byte 0x{raw[error.start]:02x} at position {error.start}"
    else:
        place, what = raw.find(b"\0"), "byte 0x00: it is UTF-16, or no text at all"
        if place < 0:
            return text
    line = raw.count(b"\n", 0, place) + 1
    raise InputError(f"is not UTF-8: {what}", f"{path}:{line}", "save the file as UTF-8")


def read_yaml(text: str, name: str) -> tuple[Any, Lines]:
    """Plain data (dict, list, str, int, float, bool, None) and lines; `name` is for messages."""
    reader = YAML(typ="rt")
    reader.max_depth = DEEPEST  # it takes minutes over thousands of open brackets
    try:
        node: Node | None = reader.compose(text)
    except MaxDepthExceededError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise InputError(
            f"is nested deeper than {DEEPEST} levels", where, "write it flatter"
        ) from None
    except MarkedYAMLError as error:
        raise InputError(*_syntax(error, name)) from None
    except (YAMLError, ValueError, LookupError, AttributeError, TypeError, AssertionError) as error:
        # The last four are faults of the library on text that is no YAML.
        raise InputError(
            f"is not YAML: {error}".splitlines()[0], name, "see where the file stops being YAML"
        ) from None
    return _Builder(name).build(node) if node is not None else (None, Lines(1))


def _syntax(error: MarkedYAMLError, name: str) -> tuple[str, str, str | None]:
    mark = error.problem_mark or error.context_mark
    where = f"{name}:{mark.line + 1}" if mark else name
    problem = str(error.problem or error.context)
    match problem:
        case "mapping values are not allowed here":
            return (
                "not YAML: a second ': ' in one line, or a wrong indentation",
                where,
                "put quotes around a text that holds ': '",
            )
        case _ if "\\t" in problem:
            return "not YAML: a tab", where, "indent with spaces"
        case _ if "cannot start any token" in problem:
            return f"not YAML: {problem}", where, "put quotes around the text"
        case "but found another document":
            return "a second document begins here ('---')", where, "keep one document in a file"
        case _:
            start = error.context_mark
            since = f" ({error.context}, from line {start.line + 1})" if start else ""
            opened = " that was opened" if start else ""
            fix = f"look for a bracket or quote{opened} and never closed, or a wrong indentation"
            return f"not YAML: {problem}{since}", where, fix


class _Builder:
    """Nodes to data. A node that an alias repeats is built once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._done: dict[int, tuple[Any, Lines]] = {}
        self._open: set[int] = set()
        self._size = 0
        """Characters so far, those that aliases repeat included: what is written out has them."""
        self._sizes: dict[int, int] = {}

    def build(self, node: Node) -> tuple[Any, Lines]:
        if id(node) in self._done:
            self._size += self._sizes[id(node)]
            if self._size > YAML_BYTES:
                raise self._error(
                    node,
                    f"what aliases repeat makes the file longer than {YAML_BYTES:,} characters",
                    "repeat less",
                )
            return self._done[id(node)]
        if id(node) in self._open:
            raise self._error(
                node, "an alias stands inside what it repeats", "write out what is meant"
            )
        before = self._size
        self._open.add(id(node))
        match node:
            case MappingNode():
                built = self._mapping(node)
            case SequenceNode():
                built = self._sequence(node)
            case _:
                built = self._scalar(node), Lines(_line(node))
        self._open.discard(id(node))
        self._done[id(node)] = built
        self._sizes[id(node)] = self._size - before
        return built

    def _mapping(self, node: MappingNode) -> tuple[dict[str, Any], Lines]:
        self._expect(node, "map")
        data: dict[str, Any] = {}
        lines: dict[str | int, Lines] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in data:
                raise self._error(
                    key_node,
                    f"the key {key!r} stands twice (first in line {lines[key].line})",
                    "remove one of them",
                )
            data[key], inner = self.build(value_node)
            lines[key] = Lines(_line(key_node), inner.children)
        return data, Lines(_line(node), lines)

    def _sequence(self, node: SequenceNode) -> tuple[list[Any], Lines]:
        self._expect(node, "seq")
        built = [self.build(item) for item in node.value]
        lines: dict[str | int, Lines] = {n: item for n, (_, item) in enumerate(built)}
        return [data for data, _ in built], Lines(_line(node), lines)

    def _key(self, node: Node) -> str:
        if isinstance(node, MappingNode):
            raise self._error(
                node, "a text that begins with {{ needs quotes", 'write "{{ name }}" in quotes'
            )
        if not isinstance(node, ScalarNode):
            raise self._error(node, "a key must be a text", "write a word, or put it in quotes")
        if str(node.tag) == f"{_TAG}merge":
            raise self._error(node, "merge keys (<<) are not read", "repeat the keys")
        return self._text(node)

    def _text(self, node: Node) -> str:
        text = str(node.value)
        self._size += 1 + len(text)
        if not text.isascii() and HALF.search(text):
            raise self._error(
                node, r"half a character (\ud800 to \udfff) stands alone", "write the whole one"
            )
        return text

    def _scalar(self, node: Node) -> str | int | float | bool | None:
        text = self._text(node)
        if getattr(node, "style", None) == ">":
            text = text.replace("\a", "")  # the round-trip loader marks each folded line end so
        match str(node.tag).removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if "_" not in text:
                if len(text) > MOST_DIGITS:
                    raise self._error(
                        node, f"a number of more than {MOST_DIGITS} digits", "write a smaller one"
                    )
                return self._number(_integer, node, text)
            case "float" if "_" not in text:
                return self._number(_real, node, text)
            case "str" | "timestamp" | "int" | "float":
                return text
            case tag:
                raise self._error(node, f"the tag {tag} is not read", "remove the tag")

    def _number(self, read: Callable[[str], int | float], node: Node, text: str) -> int | float:
        try:
            return read(text)
        except ValueError:  # by its tag it would be one
            raise self._error(node, f"{text!r} is no number", "remove the tag") from None

    def _expect(self, node: Node, kind: str) -> None:
        if str(node.tag) != _TAG + kind:
            raise self._error(node, f"the tag {node.tag} is not read", "remove the tag")

    def _error(self, node: Node, what: str, fix: str | None = None) -> InputError:
        return InputError(what, f"{self._name}:{_line(node)}", fix)


def _line(node: Node) -> int:
    return node.start_mark.line + 1


def _integer(text: str) -> int:
    """YAML 1.2: 0o17 and 0x1F have a base, 012 is twelve."""
    digits = text.lstrip("+-").lower()
    return int(text, 0) if digits.startswith(("0o", "0x", "0b")) else int(text)


def _real(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
