"""Texts with placeholders as other template languages write them.

A prompt's text holds `{{ field }}` for the fields of a row; all else in it is meant as it stands,
other braces too.
"""

import re
from collections.abc import Callable, Collection
from pprint import pformat
from typing import Any

from promptlathe.space.template import PLACEHOLDER

WIDTH = 96
"""Characters of a line of code."""


def woven(
    text: str,
    fields: Collection[str],
    *,
    literal: Callable[[str, bool], str],
    named: Callable[[str], str],
) -> str:
    """The text, with what is no field as `literal` writes it (told whether a field follows) and
    fields as `named` does."""
    written: list[str] = []
    at = 0
    for match in PLACEHOLDER.finditer(text):
        if match[1] in fields:
            written += [literal(text[at : match.start()], True), named(match[1])]
            at = match.end()
    return "".join([*written, literal(text[at:], False)])


_RUN = re.compile(r"[{}%#]+")
_TAG = re.compile(r"\{[{%#]|[}%#]\}")
"""What begins a tag, and what ends one: to Nunjucks a comment that ends and never began is an
error."""


def jinja(text: str, fields: Collection[str]) -> str:
    """As Jinja and Nunjucks read it: signs that could make a tag are quoted, all that stand side by
    side at once, so that none is read with the quotes' own braces."""

    def literal(part: str, followed: bool) -> str:
        def quoted(match: re.Match[str]) -> str:
            run = match[0]
            meets = followed and match.end() == len(part) and run.endswith("{")
            return f'{{{{ "{run}" }}}}' if meets or _TAG.search(run) else run

        return _RUN.sub(quoted, part)

    return woven(text, fields, literal=literal, named=lambda name: f"{{{{ {name} }}}}")


def fstring(text: str, fields: Collection[str]) -> str:
    """As `str.format` reads it."""

    def literal(part: str, followed: bool) -> str:
        return part.replace("{", "{{").replace("}", "}}")

    return woven(text, fields, literal=literal, named=lambda name: f"{{{name}}}")


def code(value: Any) -> str:
    """JSON-like data as Python, on as many lines as it takes to be read."""
    return pformat(value, width=WIDTH, sort_dicts=False)
