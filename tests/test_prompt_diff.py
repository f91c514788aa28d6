"""The page that shows what the best prompt changed."""

from html.parser import HTMLParser

from tests.track_samples import BEST, SEED, prompt

from promptlathe.track.prompt_diff import EQUAL, LEGEND, prompt_diff

HOSTILE = "<script>alert(1)</script> {text} {0} & </pre> <ins>"


class Reader(HTMLParser):
    """The tags that a browser would find, and the text in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_was_removed_and_added_is_marked() -> None:
    page = prompt_diff(SEED.prompts, BEST.prompts)
    assert "[system]\nAnswer<ins> well</ins>.\n" in page
    assert "<ins>\n\n[parameters]\ntemperature = 0.2</ins>" in page
    assert LEGEND in page
    assert EQUAL in prompt_diff(SEED.prompts, SEED.prompts)


def test_nothing_of_a_prompt_is_markup_and_no_script_is_needed() -> None:
    page = Reader(prompt_diff({"one": prompt("Plain")}, {"one": prompt(HOSTILE)}))
    assert "script" not in page.tags
    assert HOSTILE in page.text
    assert page.tags.count("pre") == 1
