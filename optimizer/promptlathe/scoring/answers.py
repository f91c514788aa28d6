"""What became of an answer: it was read, or why it was not."""

from __future__ import annotations

import re
from typing import Literal

from promptlathe.data.spelling import normal
from promptlathe.records import Answer, Json
from promptlathe.scoring.reading.reasoning import visible

State = Literal["answered", "cut off", "refused", "empty", "unread"]

REFUSED = ("content_filter", "refusal")
"""Reasons to finish that say so."""
_SORRY = r"(?:i'm |i am |je suis )?(?:so |very |vraiment )?(?:sorry|d[ée]sol[ée]e?|navr[ée]e?)\b"
_STOCK = re.compile(
    rf"\W*(?:{_SORRY}[^.!?\n]{{0,30}}\W+|(?:unfortunately|malheureusement)\W+"
    r"|as an ai\b[^.!?\n]{0,40}\W+)?"
    r"(?:i (?:can't|can ?not|won't|will not|am unable to|am not able to)|i'm (?:unable|not able) to"
    r"|je ne (?:peux|puis) pas|je ne suis pas en mesure de) "
    r"(?:help|assist|comply|engage|fulfil+|provide (?:that|this|help|assistance)|do (?:that|this)"
    r"|(?:vous |t'|y )?(?:aider|assister|acc[ée]der|donner suite)"
    r"|r[ée]pondre à (?:cette|votre|ce type de) (?:demande|requête))\b"
    r"|\W*(?:i must (?:decline|refuse)|je dois (?:décliner|refuser))\b",
    re.IGNORECASE,
)


def state(answer: Answer, parsed: Json) -> State:
    """What became of an answer; `parsed` is what was read in it, None when nothing was.

    refused   the service or the model says so; or nothing was read, and the text begins with a
              stock phrase of refusal
    answered  something was read, even where the service says that the answer was cut off
    cut off   it reached the limit of tokens, or its reasoning does not end
    empty     there is no visible text
    unread    there is a text or a call of a tool, and nothing could be read in it
    """
    if answer.finish_reason in REFUSED:
        return "refused"
    if parsed is not None:
        return "answered"
    text = visible(answer.text)
    if text is None or answer.finish_reason == "length":
        return "cut off"
    text = normal(text).strip()
    if not text:
        return "unread" if answer.tool_calls else "empty"
    return "refused" if _STOCK.match(text) else "unread"
