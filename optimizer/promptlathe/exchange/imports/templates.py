"""Templates of other tools as ours: names stay placeholders, programs are left out and said.

Nothing is executed.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from promptlathe.exchange.imports.draft import Lost, Names
from promptlathe.space.template import not_placeholder

Place = Callable[[int, str], str | None]
"""Where a line of the text (from 1) that holds a piece stands."""
_BACKSLASH = re.compile(r"\\\{*\Z")
"""What would make of a placeholder after it braces that stand as they are."""
_BRACES = re.compile(r"\{\{.*?\}\}|\}\}")
_OPENING = ("if", "for", "macro", "call", "filter", "block", "asyncEach", "asyncAll", "ifAsync")
_CLOSING = {f"end{name}" for name in _OPENING} | {"endeach", "endall"}


@dataclass
class Reading:
    """Gathers what is lost; knows the names of fields."""

    names: Names
    lost: list[Lost] = field(default_factory=list[Lost])
    paths: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Of fields that stand inside others: the way to them in a row."""

    def lose(self, what: str, where: str | None) -> None:
        """Each thing is said once."""
        one = Lost(what, where)
        if one not in self.lost:
            self.lost.append(one)

    def placeholder(self, path: tuple[str, ...]) -> str:
        """Of a field, or of one inside another."""
        name = self.names.of(".".join(path))
        if len(path) > 1:
            self.paths[name] = path
        return f"{{{{ {name} }}}}"

    def row(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that the templates show, of a row of the other tool; {} where one is lacking.

        What is no text or number stands as its JSON.
        """
        found: dict[str, Any] = {}
        for name in self.names.known:
            path = self.paths.get(name) or (self._own(name),)
            value: Any = given
            for part in path:
                if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                    value = value[int(part)]
                elif isinstance(value, Mapping) and part in value:
                    value = value[part]
                else:
                    return {}
            found[name] = value if isinstance(value, str | int | float) else json.dumps(value)
        return found

    def _own(self, name: str) -> str:
        """How the other tool calls it."""
        return next((old for old, new in self.names.changed.items() if new == name), name)

    def jinja(self, text: str, place: Place) -> str:
        """Jinja, and Nunjucks, which reads alike."""
        from jinja2 import Environment, TemplateSyntaxError

        environment = Environment(keep_trailing_newline=True)
        try:
            pieces = list(_pieces(iter(environment.lex(text))))
        except TemplateSyntaxError as error:
            self.lose(f"the template cannot be read: {error.message}", place(error.lineno, ""))
            return self.mustache(text, place)
        return self._woven(iter(pieces), place)

    def mustache(self, text: str, place: Place) -> str:
        """Names in double braces, and nothing else: Langfuse's templates, and simple Mustache."""

        def pieces() -> "Iterator[Piece]":
            at = 0
            for match in re.finditer(r"\{\{\{?\s*([#^/>!&]?)\s*([^{}]*?)\s*\}\}\}?", text):
                yield Piece("text", text[at : match.start()], 0)
                line = text.count("\n", 0, match.start()) + 1
                if match[1] in ("", "&") and re.fullmatch(r"[\w.\- ]+", match[2]):
                    yield Piece("field", match[2], line)
                elif match[1] == "!":
                    pass
                elif match[1]:
                    yield Piece("program", match[0], line)
                else:
                    yield Piece("text", match[0], line)
                at = match.end()
            yield Piece("text", text[at:], 0)

        return self._woven(pieces(), place)

    def fstring(self, text: str, place: Place) -> str:
        """Python's format strings."""

        def pieces() -> "Iterator[Piece]":
            for literal, name, spec, conversion in Formatter().parse(text):
                yield Piece("text", literal, 0)
                if name is None:
                    continue
                shown = f"{{{name}}}"
                if spec or conversion:
                    yield Piece("filter", name, 1, f"the format of {shown}")
                elif re.fullmatch(r"[\w.]+", name):
                    yield Piece("field", name, 1)
                else:
                    yield Piece("program", shown, 1)

        try:
            return self._woven(pieces(), place)
        except ValueError as error:
            self.lose(f"the format string cannot be read: {error}", place(1, ""))
            return self._literal(text, place, 1)

    def _woven(self, pieces: "Iterator[Piece]", place: Place) -> str:
        written: list[str] = []
        for piece in _joined(pieces):
            where = place(piece.line, piece.what)
            match piece.kind:
                case "text":
                    written.append(self._literal(piece.what, place, piece.line))
                case "field" | "filter":
                    written.append(self._field(piece, where, "".join(written[-1:])))
                case _:
                    self.lose(f"logic of a template: {_short(piece.what)}", where)
        return "".join(written)

    def _field(self, piece: "Piece", where: str | None, before: str) -> str:
        path = tuple(piece.what.split("."))
        if path[0] == "env":
            self.lose(f"a variable of the environment: {piece.what}", where)
            return ""
        if piece.kind == "filter":
            self.lose(f"{piece.said}: the value stands as it is", where)
        if not _BACKSLASH.search(before):
            return self.placeholder(path)
        self.lose("a backslash right before a placeholder: a space is put between", where)
        return f" {self.placeholder(path)}"

    def _literal(self, text: str, place: Place, line: int) -> str:
        """What was no placeholder stays none: braces have our backslash, or, where that cannot be,
        spaces between."""
        plain = _BRACES.sub(lambda match: f"\\{match[0]}", text)
        if not_placeholder(plain) is not None:
            plain = re.sub(r"([{}])(?=\1)", r"\1 ", text)
            self.lose(
                "braces that cannot stand as they are: spaces are put between", place(line, "{{")
            )
        for sign in re.findall(r"\{(?=%)|%(?=\})", plain):
            what = "{%" if sign == "{" else "%}"
            self.lose(f"{what!r} in a text: a space is put into it", place(line, what))
        return re.sub(r"\{(?=%)|%(?=\})", lambda match: f"{match[0]} ", plain)


@dataclass(frozen=True)
class Piece:
    """Of a template."""

    kind: str
    """`text`, `field`, `filter` (a field that is changed) or `program`."""
    what: str
    line: int
    said: str = ""


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Texts that stand side by side are one."""
    texts: list[Piece] = []
    for piece in pieces:
        if piece.kind == "text":
            texts.append(piece)
            continue
        yield from _one(texts)
        texts = []
        yield piece
    yield from _one(texts)


def _one(texts: list[Piece]) -> Iterator[Piece]:
    if texts:
        yield Piece("text", "".join(piece.what for piece in texts), texts[0].line)


def _pieces(tokens: Iterator[tuple[int, str, str]]) -> Iterator[Piece]:
    """Of Jinja's tokens; a block is one piece with all that stands in it."""
    for line, kind, value in tokens:
        if kind in ("data", "raw_data"):
            yield Piece("text", value, line)
        elif kind == "variable_begin":
            yield _expression(_until(tokens, "variable_end", line), line)
        elif kind == "block_begin":
            yield Piece("program", _block(tokens, line), line)


def _until(tokens: Iterator[tuple[int, str, str]], end: str, line: int) -> list[tuple[str, str]]:
    """What stands in a tag that begins at a line. Raises TemplateSyntaxError for one that never
    ends."""
    from jinja2 import TemplateSyntaxError

    found: list[tuple[str, str]] = []
    for _, kind, value in tokens:
        if kind == end:
            return found
        if kind != "whitespace":
            found.append((kind, value))
    raise TemplateSyntaxError("a tag is never closed", line)


def _expression(tokens: list[tuple[str, str]], line: int) -> Piece:
    text = "".join(value for _, value in tokens)
    match tokens:
        case [("string", value)]:
            return Piece("text", value[1:-1].replace("\\n", "\n").replace('\\"', '"'), line)
        case _:
            pass
    way, *rest = text.split("|", 1)
    path = re.sub(r"\[(?:'([^']*)'|\"([^\"]*)\"|(\d+))\]", r".\1\2\3", way)
    if not re.fullmatch(r"[^\W\d]\w*(\.\w+)*", path):
        return Piece("program", f"{{{{ {text} }}}}", line)
    if rest:
        return Piece("filter", path, line, f"the filter {{{{ {text} }}}}")
    return Piece("field", path, line)


def _block(tokens: Iterator[tuple[int, str, str]], line: int) -> str:
    """From the first to the last tag of a block. Raises TemplateSyntaxError as `_until` does."""
    from jinja2 import TemplateSyntaxError

    head = _until(tokens, "block_end", line)
    shown = " ".join(value for _, value in head)
    depth = 1 if head and head[0][1] in _OPENING else 0
    while depth:
        found = next(tokens, None)
        if found is None:
            raise TemplateSyntaxError(f"{{% {shown} %}} is never closed", line)
        if found[1] == "block_begin":
            inner = _until(tokens, "block_end", found[0])
            word = inner[0][1] if inner else ""
            depth += (word in _OPENING) - (word in _CLOSING)
    return f"{{% {shown} %}}"


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
