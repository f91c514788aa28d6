"""Recorded answers of real models as worlds: a folder of `*.npz` beside `prompts.json.gz`.

Each table holds `outcomes` (uint8, candidates x examples: 1 right, 0 wrong, 255 not recorded) and
`prompt_id` (a row's index in prompts.json.gz, a list of texts). Only fully recorded rows are
candidates. The components come from the text: an instruction, then any number of demos, each

    \\n\\nInput:\\n<text>\\nOutput:\\n<text>

A trailing "\\n\\nInput:", which cues the model, is part of every prompt and of no component.
"""

import gzip
import json
import re
import zipfile
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from lab.worlds import Codes, Component
from promptlathe.errors import InputError

MISSING = 255
DEMO = re.compile(r"\n\n(Input:\n.*?\nOutput:\n.*?)(?=\n\nInput:|\Z)", re.DOTALL)
CUE = re.compile(r"\s*\n\nInput:\s*\Z")


class Recorded:
    """A `World` of complete rows of recorded answers, one for each text."""

    def __init__(self, name: str, outcomes: np.ndarray, prompts: Sequence[str]) -> None:
        """`outcomes`: candidates x examples, zeros and ones; `prompts`: the candidates' texts."""
        self.name = name
        self.examples = outcomes.shape[1]
        self._outcomes, self._prompts = outcomes, prompts
        self.components, self.pool = components_of(prompts)
        self._rows = {c: row.tobytes() for c, row in zip(self.pool, outcomes, strict=True)}

    def outcome(self, codes: Codes, example: int, repeat: int = 0) -> float:
        return float(self._rows[codes][example])

    def quality(self, codes: Codes) -> float:
        return sum(self._rows[codes]) / self.examples

    def of(self, rows: Sequence[int]) -> "Recorded":
        """The world in which only these candidates are."""
        return Recorded(self.name, self._outcomes[rows], [self._prompts[row] for row in rows])

    @cached_property
    def best(self) -> float:
        return max(map(self.quality, self.pool))


def parse(prompt: str) -> tuple[str, tuple[str, ...]]:
    """The instruction and the demos of a prompt text."""
    # A demo that opens the text has no blank line before it.
    text = CUE.sub("", prompt if not prompt.startswith("Input:\n") else "\n\n" + prompt)
    demos = tuple(DEMO.findall(text))
    return DEMO.sub("", text), demos


def components_of(prompts: Sequence[str]) -> tuple[tuple[Component, ...], list[Codes]]:
    """Components and each prompt's codes; equal prompts differ in a last component `copy`."""
    parts = [parse(prompt) for prompt in prompts]
    seen: Counter[Hashable] = Counter()
    copies: list[int] = []
    for part in parts:
        copies.append(seen[part])
        seen[part] += 1
    columns: dict[str, Sequence[Hashable]] = {
        "instruction": [instruction for instruction, _ in parts],
        "count": [len(demos) for _, demos in parts],
        "demos": [demos for _, demos in parts],
        "copy": copies,
    }
    if not any(copies):
        del columns["copy"]
    components = (
        Component("instruction", tuple(dict.fromkeys(columns["instruction"])), "text"),
        Component("count", tuple(sorted({len(demos) for _, demos in parts})), "number"),
        Component("demos", tuple(dict.fromkeys(columns["demos"])), "rows"),
        Component("copy", tuple(range(max(copies) + 1))),
    )[: len(columns)]
    places = [{level: i for i, level in enumerate(c.levels)} for c in components]
    pool = [
        tuple(place[level] for place, level in zip(places, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    return components, pool


def tables(folder: Path) -> list[Path]:
    """The tables of a folder, by name. Raises InputError."""
    if not folder.is_dir():
        raise InputError("no such folder", str(folder), "give the folder of *.npz to --data")
    found = sorted(folder.glob("*.npz"))
    if not found:
        raise InputError("no *.npz in this folder", str(folder), "give a folder with some")
    return found


def load_prompts(folder: Path) -> list[str]:
    """The texts of `prompts.json.gz`. Raises InputError."""
    path = folder / "prompts.json.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            prompts = json.load(file)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"cannot be read: {error}", str(path), "put a gzipped JSON list of prompts there"
        ) from error
    if not isinstance(prompts, list) or not all(isinstance(text, str) for text in prompts):
        raise InputError("not a list of texts", str(path), "make it a JSON list of strings")
    return prompts


def load(path: Path, prompts: Sequence[str]) -> Recorded | None:
    """The world of one table; None when fewer than two rows are complete. Raises InputError."""
    try:
        with np.load(path, allow_pickle=False) as table:
            outcomes, ids = table["outcomes"], table["prompt_id"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"not a table: {error}", str(path), "store the arrays `outcomes` and `prompt_id`"
        ) from error
    _check(path, outcomes, ids, len(prompts))
    full = np.flatnonzero((outcomes != MISSING).all(axis=1))
    if len(full) < 2:
        return None
    return Recorded(path.stem, outcomes[full], [prompts[i] for i in ids[full]])


def _check(path: Path, outcomes: np.ndarray, ids: np.ndarray, prompts: int) -> None:
    def fail(what: str, fix: str) -> None:
        raise InputError(what, str(path), fix)

    if outcomes.ndim != 2 or outcomes.dtype != np.uint8 or not outcomes.shape[1]:
        fail(
            f"`outcomes` is {outcomes.dtype} of shape {outcomes.shape}",
            "make it uint8, candidates x examples",
        )
    if not np.isin(outcomes, (0, 1, MISSING)).all():
        fail("`outcomes` holds other values than 0, 1 and 255", "1 right, 0 wrong, 255 missing")
    if ids.shape != outcomes.shape[:1] or not np.issubdtype(ids.dtype, np.integer):
        fail(f"`prompt_id` is {ids.dtype} of shape {ids.shape}", "give one integer for each row")
    if len(ids) and not 0 <= ids.min() <= ids.max() < prompts:
        fail(f"`prompt_id` points outside the {prompts} prompts", "use indices of prompts.json.gz")
