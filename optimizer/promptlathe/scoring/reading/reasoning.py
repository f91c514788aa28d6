"""Reasoning that stands in an answer: what a model writes for itself, between tags."""

from __future__ import annotations

import re
from collections.abc import Collection

_NAMES = (
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?)(?:[_-]process)?|analysis|scratch_?pad"
    r"|chain[_-]of[_-]thought|cot|(?:inner|internal)[_-]?(?:monologue|thoughts?|reasoning)"
    r"|raisonnement|r[ée]flexion|pens[ée]es?|analyse|brouillon"
)
_TAG = re.compile(
    rf"(?<!`)(?:<(?P<close>/)?(?P<name>{_NAMES})(?:\s[^<>]{{0,200}})?>"
    r"|[\[◁](?P<shut>/)?(?P<word>think)[\]▷])",
    re.IGNORECASE,
)


def visible(text: str, keep: Collection[str] = ()) -> str | None:
    """The text without its reasoning; None when the reasoning does not end: it was cut off.

    Set aside are the blocks `<think>…</think>` (and `<thinking>`, `<reasoning>`, `<reflection>`,
    `<analysis>`, `<raisonnement>` …), and all that stands before a closing tag without an opening
    one. Case does not matter. An opening tag in the middle of a line that is never closed is prose.

    keep: names of tags, in lower case, that hold the answer.
    """
    if not ("<" in text or "[" in text or "◁" in text):
        return text
    shown: list[str] = []
    inside = ""
    begun = end = 0
    for tag in _TAG.finditer(text):
        name = (tag["name"] or tag["word"]).lower()
        if name in keep or (inside and name[:5] != inside[:5]):  # `think` and `thinking` are one
            continue
        if tag["close"] or tag["shut"]:
            if not inside:
                shown.clear()
            inside, end = "", tag.end()
        elif not inside:
            shown.append(text[end : tag.start()])
            inside, begun = name, tag.start()
    if not inside:
        return "".join([*shown, text[end:]]) if end else text
    first = text.rfind("\n", 0, begun) + 1
    if not text[max(first, end) : begun].strip():
        return None
    return "".join([*shown, text[begun:]])
