"""The guide of an experiment as a page: its Markdown, in the frame of the reports."""

from html import escape
from itertools import count
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from promptlathe.report.frame import page
from promptlathe.report.guide.gathered import Guide
from promptlathe.report.guide.markdown import markdown
from promptlathe.report.language import Language


def html(guide: Guide, language: Language, *, reports: str = "") -> str:
    """One self-contained page; `reports` as in `markdown`."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    name = escape(language.gettext("Table"), quote=True)
    text = escape(language.gettext("Text of the prompt"))

    tables = count(1)

    def opened(*_: Any) -> str:
        label = f"{name} {next(tables)}"
        return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'

    def folded(renderer: Any, tokens: Any, place: int, *_: Any) -> str:
        said = escape(tokens[place].content)
        return f'<details><summary>{text}</summary><pre dir="auto">{said}</pre></details>'

    reader.add_render_rule("fence", folded)
    reader.add_render_rule("table_open", opened)
    reader.add_render_rule("table_close", lambda *_: "</table></div>")
    body = Markup(reader.render(markdown(guide, language, reports=reports)))
    return page("guide.html.j2", language, experiment=guide.experiment, body=body)
