"""Splits: exact, seeded, stratified, leak-free, and steady when the data grow."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.data import Splits
from promptlathe.data.splits import SPLITS
from promptlathe.errors import InputError
from promptlathe.scoring import Objective, exact_match


def rows(n: int, labels: str = "ab") -> list[dict[str, Any]]:
    return [{"text": f"ticket {i}", "label": labels[i % len(labels)]} for i in range(n)]


def objective(data: Any, **splits: Any) -> Objective:
    return Objective(data, scorer=exact_match("label"), splits=splits)


def members(found: Objective) -> dict[str, list[str]]:
    return {split: [e.row["text"] for e in found.examples(split)] for split in SPLITS}


def said(data: Any, **splits: Any) -> str:
    with pytest.raises(InputError) as caught:
        objective(data, **splits).check()
    return str(caught.value)


def test_sizes_are_exact_and_nothing_overlaps():
    parts = members(objective(rows(100)))
    assert [len(part) for part in parts.values()] == [30, 40, 30]
    assert len({text for part in parts.values() for text in part}) == 100


def test_the_seed_decides_and_the_order_of_the_file_does_not():
    parts = members(objective(rows(60), seed=3))
    assert members(objective(rows(60)[::-1], seed=3)) == parts
    assert members(objective(rows(60), seed=4)) != parts


def test_examples_know_their_split():
    assert all(e.split == "test" for e in objective(rows(20)).examples("test"))


@pytest.mark.parametrize("stratify", [None, "label"])
def test_a_new_row_moves_few_others(stratify: str | None):
    before = members(objective(rows(200), stratify=stratify))
    after = members(objective([{"text": "new", "label": "a"}, *rows(200)], stratify=stratify))
    side = {text: split for split, part in before.items() for text in part}
    moved = [
        text for split, part in after.items() for text in part if side.get(text, split) != split
    ]
    assert len(moved) <= 4


def test_strata_are_shared_out_and_every_prefix_is_fair():
    found = objective(rows(200, "aaab"), stratify="label")
    for split in SPLITS:
        examples = found.examples(split)
        for part in (examples, examples[:20]):
            share = Counter(e.row["label"] for e in part)["b"] / len(part)
            assert share == pytest.approx(0.25, abs=0.06)


def test_rare_strata_are_spread_over_the_splits():
    data = [{"text": f"t{i}", "label": f"rare {i}"} for i in range(100)]
    assert [len(part) for part in members(objective(data, stratify="label")).values()] == [
        30,
        40,
        30,
    ]


def test_rows_with_the_same_input_count_once_and_are_in_one_split():
    data = rows(40)
    data += [{**row, "text": f"  {row['text'].upper()} ", "id": i} for i, row in enumerate(data)]
    data += [{"text": "ticket 1", "label": "b"}]
    parts = members(objective(data))
    inputs = [" ".join(text.lower().split()) for part in parts.values() for text in part]
    assert len(set(inputs)) == len(inputs) == 40
    assert [len(part) for part in parts.values()] == [12, 16, 12]


def test_rows_of_nothing_but_a_target_are_not_taken_for_copies():
    data = [{"label": f"x{i}"} for i in range(20)]
    assert len(objective(data).examples("select")) == 8


def test_what_fractions_leave_over_is_not_used():
    found = objective(rows(100), train=0, select=0.2, test=0.2)
    assert [len(part) for part in members(found).values()] == [0, 20, 20]


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(8, 80),
    seed=st.integers(0, 5),
    shares=st.sampled_from([(0.3, 0.4, 0.3), (0, 0.5, 0.5), (0.2, 0.3, 0.3)]),
)
def test_sizes_are_right_to_one_row(n: int, seed: int, shares: tuple[float, ...]):
    train, select, test = shares
    parts = members(objective(rows(n), train=train, select=select, test=test, seed=seed))
    for part, share in zip(parts.values(), shares, strict=True):
        assert abs(len(part) - share * n) < 1


@pytest.mark.parametrize(
    ("splits", "words"),
    [
        ({"train": 0.5}, "the fractions sum to more than 1: 0.5 + 0.4 + 0.3"),
        ({"test": 0}, "test is 0"),
        ({"select": 1.5}, "splits.select: "),
        ({"train": True}, "splits.train: "),
        ({"sead": 1}, "unknown key 'sead' in splits; did you mean 'seed'?"),
        ({"test": "t.jsonl"}, "nothing is said of train and select"),
    ],
)
def test_declarations_that_make_no_sense(splits: dict[str, Any], words: str):
    assert words in said(rows(10), **splits)


def test_a_split_may_not_come_out_empty():
    assert "the split test is empty: the dataset has 1 rows" in said(rows(1))


def test_splits_are_checked_in_python_too():
    with pytest.raises(InputError, match="sum to more than 1"):
        Splits(train=0.9)


def jsonl(folder: Path, name: str, data: list[dict[str, str]]) -> str:
    path = folder / name
    path.write_text("\n".join(f'{{"text": "{r["text"]}", "label": "{r["label"]}"}}' for r in data))
    return str(path)


def test_a_file_for_each_split(tmp_path: Path):
    data = rows(30)
    files = {
        name: jsonl(tmp_path, f"{name}.jsonl", data[10 * i : 10 * i + 10])
        for i, name in enumerate(SPLITS)
    }
    parts = members(objective(None, **files))
    assert {name: set(part) for name, part in parts.items()} == {
        name: {row["text"] for row in data[10 * i : 10 * i + 10]} for i, name in enumerate(SPLITS)
    }
    assert "leave the dataset out" in said(data, **files)


def test_a_test_file_beside_a_dataset_in_fractions(tmp_path: Path):
    test = jsonl(
        tmp_path, "test.jsonl", [{"text": f"held out {i}", "label": "a"} for i in range(5)]
    )
    parts = members(objective(rows(20), train=0.5, select=0.5, test=test))
    assert [len(part) for part in parts.values()] == [10, 10, 5]


def test_an_input_in_two_files_stays_in_one_and_both_are_named(tmp_path: Path):
    data = rows(9)
    files = {
        name: jsonl(tmp_path, f"{name}.jsonl", data[3 * i : 3 * i + 3] + data[:1] * (i == 2))
        for i, name in enumerate(SPLITS)
    }
    found = objective(None, **files)
    assert {name: len(part) for name, part in members(found).items()} == {
        "train": 2, "select": 3, "test": 4,
    }  # fmt: skip
    (note,) = found.notes
    assert note.replace(f"{tmp_path}/", "") == (
        "1 input of train also in test, and left out of train: train.jsonl:1 (also test.jsonl:4)"
    )


def test_two_splits_of_one_file_leave_nothing_to_search_on(tmp_path: Path):
    file = jsonl(tmp_path, "all.jsonl", rows(9))
    message = said(None, train=file, select=file, test=file)
    assert "the split select is empty: all its inputs are also in another split" in message


def test_a_dataset_is_needed_for_fractions():
    assert "the dataset is missing" in said(None, seed=1)
