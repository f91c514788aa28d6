"""How near a parsed answer is to its target: pure functions, each giving 0 to 1."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from promptlathe.data.values import as_text, squeeze
from promptlathe.scoring.numerals import whole_number

_TOKEN = re.compile(r"\w+")
_PADDED = re.compile(r"0\d")


def same(parsed: Any, target: Any) -> bool:
    """Equal up to case and whitespace; numbers, also written ones, as numbers.

    Codes with leading zeros (`007`) are texts. Lists and objects agree when all parts do.
    """
    if isinstance(target, list) and isinstance(parsed, list):
        pairs = zip(parsed, target, strict=False)
        return len(parsed) == len(target) and all(same(p, t) for p, t in pairs)
    if isinstance(target, Mapping) and isinstance(parsed, Mapping):
        return parsed.keys() == target.keys() and all(same(parsed[k], target[k]) for k in target)
    left, right = as_text(parsed), as_text(target)
    if left == right or squeeze(left) == squeeze(right):
        return True
    first, second = as_number(left), as_number(right)
    return first is not None and second is not None and math.isclose(first, second)


def as_number(text: str) -> int | float | None:
    """The number that a whole text is; None for other texts and padded codes."""
    if not any("0" <= mark <= "9" for mark in text) or _PADDED.match(text.strip()):
        return None
    return whole_number(text)


def close(parsed: float, target: float, *, abs_tol: float, rel_tol: float) -> bool:
    """Within `abs_tol`, or within `rel_tol` of the target."""
    return abs(parsed - target) <= max(abs_tol, rel_tol * abs(target))


def token_f1(parsed: str, target: str) -> float:
    """The harmonic mean of precision and recall over words, each as often as it stands.

    As in SQuAD (Rajpurkar et al. 2016, section 6.1), but articles count, in any language.
    """
    left = Counter(_TOKEN.findall(parsed.casefold()))
    right = Counter(_TOKEN.findall(target.casefold()))
    if not left or not right:
        return float(left == right)
    return 2 * (left & right).total() / (left.total() + right.total())


def object_match(
    parsed: Mapping[str, Any], target: Mapping[str, Any], weights: Mapping[str, float]
) -> float:
    """The weighted share of the target's fields that agree; fields beyond those do not count."""
    total = sum(weights.get(name, 1.0) for name in target)
    right = (
        weights.get(name, 1.0)
        for name, value in target.items()
        if name in parsed and same(parsed[name], value)
    )
    return sum(right) / total if total else 1.0
