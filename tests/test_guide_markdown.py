"""The guide in Markdown: what was written by others is shown as it is."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from promptlathe.records import Message, Prompt
from promptlathe.report.guide.gathered import Guide
from promptlathe.report.guide.markdown import escaped, fenced, markdown, short, table, written
from promptlathe.report.language import Language

READER = MarkdownIt("commonmark", {"html": False}).enable("table")
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"))).map(lambda s: " ".join(s.split()))
ODD = (
    "<script>alert(1)</script>",
    "a | b `c` *d* _e_ [f](g) ![h](i) # j",
    "| --- |",
    "1. one",
    "&amp; \\ ~~x~~ <https://a.b>",
    "```",
    "    code",
)


class Texts(HTMLParser):
    """The text of a page's first table cells, or of its one block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def shown(text: str) -> tuple[str, set[str]]:
    reader = Texts()
    reader.feed(READER.render(text))
    return "".join(reader.found).strip("\n"), set(reader.tags)


def cells(made: str) -> tuple[str, set[str]]:
    return shown(table(("h",), [(made,)]))


@pytest.mark.parametrize("text", ODD)
def test_odd_texts_are_shown_in_a_cell(text: str):
    said, tags = cells(escaped(text))
    assert said.replace("\n", "") == "h" + " ".join(text.split())
    assert tags == {"table", "thead", "tbody", "tr", "th", "td"}


@given(TEXTS.filter(bool))
def test_any_text_is_shown_in_a_cell(text: str):
    said, tags = cells(escaped(text))
    assert said.replace("\n", "") == "h" + text
    assert tags == {"table", "thead", "tbody", "tr", "th", "td"}


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("`\n~ ")))
def test_any_text_is_shown_in_a_fence(text: str):
    said, tags = shown(fenced(f"x{text}x"))
    assert said == f"x{text}x"
    assert tags == {"pre", "code"}


def test_a_long_text_is_cut_and_nothing_is_a_dash():
    assert short("") == "–"
    assert short("x" * 500).endswith("x…")
    assert len(short("x" * 500)) == 140


def test_a_prompt_is_written_message_by_message():
    prompt = Prompt((Message("system", "Be brief."), Message("user", "{{ text }}")))
    assert written(prompt) == "[system]\nBe brief.\n\n[user]\n{{ text }}"


def test_an_experiment_without_results_says_so():
    said = markdown(Guide("none <b>", (), 2), Language("en"))
    assert "No run of this experiment has a result yet." in said
    assert "2 runs were recorded by another version" in said
    assert shown(said)[1] == {"h1", "p"}
