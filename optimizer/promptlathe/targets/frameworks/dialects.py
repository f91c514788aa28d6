"""The template languages of frameworks, read into `{{ name }}` and written back.

    F_STRING    {name}, {name:.2f}; braces that are meant stand twice
    MUSTACHE    {{name}}, which HTML-escapes the value, and {{{name}}}; no sections
    JINJA       {{ name }}; no statements, comments or filters
    REGISTERED  {{name}}, in MLflow's registry; no statements
    SAFE        {name}; other braces stand as they are (LlamaIndex)
    LITERAL     nothing is filled in

A template that says more than `{{ name }}` can is Unreadable: it is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter

from promptlathe.space import not_placeholder
from promptlathe.space.template import PLACEHOLDER, STATEMENT, fill_declared, is_name


class Unreadable(Exception):
    """Why a text cannot be written with `{{ name }}` alone."""


@dataclass(frozen=True)
class Variable:
    """A place that is filled in."""

    name: str
    spelling: str
    """As it stands in the template."""


Pieces = Iterable[str | Variable]


@dataclass(frozen=True)
class Dialect:
    """How a template language is read, and how a text is written in it."""

    name: str
    pieces: Callable[[str], Pieces]
    """Of a template; raises Unreadable."""
    literal: Callable[[str, Collection[str]], str]
    """A piece of text that is no variable, beside all variables of the prompt; raises ValueError
    when it cannot be written."""
    variable: Callable[[str], str]

    def read(self, template: str) -> tuple[str, Mapping[str, str]]:
        """With `{{ name }}` for each variable, and how each was spelled. Raises Unreadable."""
        spelling: dict[str, str] = {}
        text, used = "", 0
        for piece in self.pieces(template):
            if isinstance(piece, str):
                text += piece
                continue
            if not is_name(piece.name):
                raise Unreadable(f"{piece.spelling} is no plain name")
            if spelling.setdefault(piece.name, piece.spelling) != piece.spelling:
                raise Unreadable(f"it has {spelling[piece.name]} and {piece.spelling}")
            text += f"{{{{ {piece.name} }}}}"
            used += 1
        found = PLACEHOLDER.findall(text)
        if len(found) != used or not_placeholder(text) or fill_declared(text, {}) != text:
            raise Unreadable("it shows double braces to the model")
        if STATEMENT.search(text):
            raise Unreadable("it shows `{%` or `%}` to the model")
        return text, spelling

    def write(self, text: str, spelling: Mapping[str, str], given: Collection[str]) -> str:
        """A text with `{{ name }}` in this language. Raises ValueError when that cannot be.

        given: all variables of the prompt.
        """
        written, end = "", 0
        for match in PLACEHOLDER.finditer(text):
            written += self.literal(text[end : match.start()], given)
            written += spelling.get(match[1]) or self.variable(match[1])
            end = match.end()
        return written + self.literal(text[end:], given)


def _f_string(template: str) -> Iterator[str | Variable]:
    try:
        for text, name, form, conversion in Formatter().parse(template):
            if text:
                yield text
            if name is not None:
                turned = f"!{conversion}" if conversion else ""
                yield Variable(name, f"{{{name}{turned}{f':{form}' if form else ''}}}")
    except ValueError as error:
        raise Unreadable(str(error)) from None


_MUSTACHE = re.compile(r"\{\{\{\s*([^{}]+?)\s*\}\}\}|\{\{\s*(&?)\s*([^{}]+?)\s*\}\}")


def _mustache(template: str) -> Iterator[str | Variable]:
    def variable(match: re.Match[str]) -> Variable:
        name = match[1] or match[3]
        if name[0] in "#^/!>=":
            raise Unreadable(f"{match[0]} is a section, a comment or a partial")
        return Variable(name, match[0])

    return _cut(template, _MUSTACHE, variable)


_JINJA = re.compile(r"\{\{-?\s*(.+?)\s*-?\}\}", re.DOTALL)


def _jinja(template: str) -> Iterator[str | Variable]:
    def variable(match: re.Match[str]) -> Variable:
        if "-" in (match[0][2], match[0][-3]):
            raise Unreadable(f"{match[0]} trims the lines around it")
        return Variable(match[1], match[0])

    if code := re.search(r"\{%|\{#", template):
        raise Unreadable(f"it holds {code[0]}")
    return _cut(template, _JINJA, variable)


_SAFE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _safe(template: str) -> Iterator[str | Variable]:
    return _cut(template, _SAFE, lambda match: Variable(match[1], match[0]))


def _cut(
    template: str, found: re.Pattern[str], variable: Callable[[re.Match[str]], Variable]
) -> Iterator[str | Variable]:
    """What matches is a variable, what lies between is text."""
    end = 0
    for match in found.finditer(template):
        if match.start() > end:
            yield template[end : match.start()]
        end = match.end()
        yield variable(match)
    if end < len(template):
        yield template[end:]


def _doubled(text: str, _: Collection[str]) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _single(text: str, _: Collection[str]) -> str:
    if "{{" in text:
        raise ValueError(f"{text!r} cannot be written: there, double braces are always filled in")
    return text


def _braces_as_variables(text: str, _: Collection[str]) -> str:
    return re.sub(r"\{\{|\{%|\{#", lambda match: f"{{{{ '{match[0]}' }}}}", text)


def _no_variable(text: str, given: Collection[str]) -> str:
    if found := next((m[0] for m in _SAFE.finditer(text) if m[1] in given), None):
        raise ValueError(f"{found} in a text cannot be meant as it stands: LlamaIndex fills it in")
    return text


def _as_it_is(text: str, _: Collection[str]) -> str:
    return text


F_STRING = Dialect("f-string", _f_string, _doubled, lambda name: f"{{{name}}}")
MUSTACHE = Dialect("mustache", _mustache, _single, lambda name: f"{{{{{name}}}}}")
JINJA = Dialect("jinja2", _jinja, _braces_as_variables, lambda name: f"{{{{ {name} }}}}")
REGISTERED = Dialect("MLflow", _jinja, _single, lambda name: f"{{{{{name}}}}}")
SAFE = Dialect("braces", _safe, _no_variable, lambda name: f"{{{name}}}")
LITERAL = Dialect("literal", lambda text: (text,) if text else (), _as_it_is, str)


def escapes_html(template: str) -> list[str]:
    """The variables of a mustache template whose values are HTML-escaped."""
    pieces = [piece for piece in _MUSTACHE.finditer(template) if piece[3] and not piece[2]]
    return [piece[0] for piece in pieces if piece[3][0] not in "#^/!>="]
