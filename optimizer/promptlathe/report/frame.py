"""One self-contained HTML page: templates, their escaping, and what the browser may do with it.

Whatever a user or a model wrote comes in as a value of a template, so that it is escaped; the page
as a whole is cleaned of characters that would be obeyed instead of shown. The policy in its head
lets nothing run but the one script of `templates/`, and nothing be loaded.
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from promptlathe.report.language import Language
from promptlathe.report.said import SAID

FOLDER = Path(__file__).parent / "templates"
_OBEYED = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters, those that turn the direction of what follows, and halves of characters."""


def page(template: str, language: Language, **values: Any) -> str:
    """The page that a template of `templates/` makes; texts among `values` are escaped."""
    environment = _environment(language.code)
    made = environment.get_template(template).render(
        language=language.code, script=_script(), policy=_policy(), **values
    )
    return visible(made)


def visible(text: str) -> str:
    """With a mark in the place of each character that would be obeyed instead of shown."""
    return _OBEYED.sub(lambda found: f"⟨{ord(found[0]):04X}⟩", text.replace("\r\n", "\n")).replace(
        "\r", "⟨000D⟩"
    )


@cache
def _environment(code: Any) -> Environment:
    language = Language(code)
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    install: Any = environment
    install.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)
    environment.filters.update(language.figures)

    def said(text: str) -> str:
        known = SAID.get(text) or SAID.get(text.partition(":")[0])
        return language.gettext(known) if known else text

    environment.filters["said"] = said
    return environment


@cache
def _script() -> Markup:
    return Markup((FOLDER / "page.js").read_text("utf-8"))


@cache
def _policy() -> str:
    """Content-Security-Policy: the page's own script by its hash, its styles, and nothing else."""
    digest = hashlib.sha256(_script().encode()).digest()
    return (
        f"default-src 'none'; script-src 'sha256-{base64.b64encode(digest).decode('ascii')}'; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
