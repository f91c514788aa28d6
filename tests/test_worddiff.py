"""What changed between two texts, word by word."""

import random

import pytest

from promptlathe.report.worddiff import word_diff

PAIRS = {
    "a word": ("Answer with the label.", "Answer with a label."),
    "nothing": ("same\n", "same\n"),
    "all": ("Old.", "New text,\nentirely"),
    "empty": ("", "Something"),
    "white space": ("a  b\t\n\n c\r\n", "a b\n \n c\n"),
    "other scripts": ("Réponds à l'équipe : « où ? »", "Réponds à l'équipe : 回答してください 🙂"),
}


@pytest.mark.parametrize(("old", "new"), PAIRS.values(), ids=PAIRS)
def test_both_texts_can_be_read_from_the_pieces(old: str, new: str) -> None:
    pieces = word_diff(old, new)
    assert "".join(text for change, text in pieces if change != "added") == old
    assert "".join(text for change, text in pieces if change != "removed") == new
    assert all(text for _, text in pieces)


def test_texts_at_random() -> None:
    rng = random.Random(0)
    for _ in range(300):
        old, new = ("".join(rng.choices("ab.\n ", k=rng.randrange(30))) for _ in range(2))
        test_both_texts_can_be_read_from_the_pieces(old, new)


def test_a_changed_word_stands_alone_and_a_new_sentence_is_one_piece() -> None:
    assert word_diff("Answer with the label.", "Answer with a label.") == [
        ("kept", "Answer with "),
        ("removed", "the"),
        ("added", "a"),
        ("kept", " label."),
    ]
    assert word_diff("Keep.\nOne two three", "Keep.\nVier fünf sechs") == [
        ("kept", "Keep.\n"),
        ("removed", "One two three"),
        ("added", "Vier fünf sechs"),
    ]
    assert word_diff("same", "same") == [("kept", "same")]


def test_long_prompts_are_compared_whole() -> None:
    rng = random.Random(1)
    words = [f"w{rng.randrange(2000)}" for _ in range(20_000)]
    changed = ["new" if i in (5, 12_000) else word for i, word in enumerate(words)]
    pieces = word_diff(" ".join(words), " ".join(changed))
    added = [text for change, text in pieces if change == "added"]
    assert added == ["new", "new"]
