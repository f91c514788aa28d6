"""How near a parsed answer is to its target: pure functions, each giving 0 to 1."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from promptlathe.data.spelling import boundary, compared, ends_word, starts_word, words
from promptlathe.data.values import as_text
from promptlathe.scoring.reading.numerals import exact_number


def same(parsed: Any, target: Any) -> bool:
    """Equal as texts, typography, case and whitespace aside (see `compared`); a number as a number.

    Two texts are texts, whatever stands in them: `1.10` is not `1.1`, nor `5%` `5`. Where one of
    the two is a number, not a text, both are compared as numbers, to the last digit. Lists and
    objects agree when all parts do.
    """
    if isinstance(target, list) and isinstance(parsed, list):
        pairs = zip(parsed, target, strict=False)
        return len(parsed) == len(target) and all(same(p, t) for p, t in pairs)
    if isinstance(target, Mapping) and isinstance(parsed, Mapping):
        return parsed.keys() == target.keys() and all(same(parsed[k], target[k]) for k in target)
    left, right = as_text(parsed), as_text(target)
    if left == right or compared(left) == compared(right):
        return True
    return (_is_number(parsed) or _is_number(target)) and same_number(left, right)


def same_number(left: str, right: str) -> bool:
    """Both are numbers, and the same to the last digit."""
    first, second = exact_number(left), exact_number(right)
    return first is not None and first == second


def contains(text: str, part: str) -> bool:
    """The part stands in the text as whole words, typography, case and whitespace aside.

    Where a script has no spaces between words, anywhere.
    """
    text, part = compared(text), compared(part)
    word = boundary((part, text))
    before = rf"(?<![{word}])" if starts_word(part) else ""
    after = rf"(?![{word}])" if ends_word(part) else ""
    if part[:1].isdigit():
        before += r"(?<![0-9][.,])(?<!(?<!\w)[-+])"
    if part[-1:].isdigit():
        after += r"(?![.,][0-9])"
    if len(part) <= 2:
        after += r"(?![+#])"
    return re.search(before + re.escape(part) + after, text) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def close(parsed: float, target: float, *, abs_tol: float, rel_tol: float) -> bool:
    """Within `abs_tol`, or within `rel_tol` of the target."""
    try:
        return abs(parsed - target) <= max(abs_tol, rel_tol * abs(target))
    except OverflowError:  # a whole number beyond what a float holds
        return parsed == target


def token_f1(parsed: str, target: str) -> float:
    """The harmonic mean of precision and recall over words, each as often as it stands.

    As in SQuAD (Rajpurkar et al. 2016, section 6.1), but articles count, in any language. Where a
    script has no spaces between words, its characters are the words.
    """
    left, right = Counter(words(parsed)), Counter(words(target))
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
