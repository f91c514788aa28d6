"""Rows that read otherwise than those before are told; rows of the same kind are not."""

import random

from promptlathe.data.placements import Placements
from promptlathe.data.shift import FEWEST, LEVEL, shift_note
from promptlathe.scoring import Objective, exact_match

WORDS = ["invoice", "refund", "price", "receipt", "parcel", "courier", "box", "account", "code"]
OTHERS = ["commande", "facture", "colis", "remboursement", "livraison", "mot", "passe", "compte"]


def texts(count: int, words: list[str], luck: random.Random) -> list[str]:
    return [" ".join(luck.choices(words, k=6)) for _ in range(count)]


def test_another_language_is_told_with_an_example():
    luck = random.Random(1)
    before = texts(80, WORDS, luck)
    new = [*texts(20, WORDS, luck), *texts(10, OTHERS, luck)]
    said = shift_note(before, new)
    assert said
    assert said.startswith("the 30 new rows read otherwise than the 80 before (p = 0.001)")
    assert any(word in said for word in OTHERS)
    assert shift_note(before, new) == said


def test_rows_of_the_same_kind_are_seldom_told():
    told = 0
    for seed in range(120):
        luck = random.Random(seed)
        told += shift_note(texts(60, WORDS, luck), texts(25, WORDS, luck)) is not None
    assert told <= 120 * LEVEL + 4


def test_few_rows_and_rows_without_text_say_nothing():
    luck = random.Random(1)
    few = texts(FEWEST - 1, OTHERS, luck)
    assert shift_note(texts(80, WORDS, luck), few) is None
    assert shift_note(few, texts(80, WORDS, luck)) is None
    assert shift_note([""] * 50, [""] * 50) is None


def test_an_objective_looks_at_what_prompts_show():
    luck = random.Random(2)
    notes = iter(texts(120, WORDS, luck))
    rows = [{"text": t, "note": next(notes), "label": "a"} for t in texts(80, WORDS, luck)]
    new = [{"text": t, "note": next(notes), "label": "b"} for t in texts(40, OTHERS, luck)]
    first = Objective(rows, scorer=exact_match("label"))
    memory = Placements(first.placements)
    second = Objective([*rows, *new], scorer=exact_match("label")).remembering(lambda: memory)
    assert second.shift
    assert second.shift in second.notes
    assert second.showing(frozenset({"note"})).shift is None
    assert first.shift is None
