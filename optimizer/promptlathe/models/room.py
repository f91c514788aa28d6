"""When a service says, beside an answer, that it has no room for another one for a while.

requests, tokens    what is left of a limit, and when there is more: as OpenAI, Anthropic and
                    those who follow them name the headers
ratelimit-…         the same, as the IETF's draft "RateLimit header fields for HTTP" does
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime

_UNIT = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_EPOCH = 1e9
"""Seconds; a larger number is a moment, in seconds or in milliseconds."""
_TOKENS = ("tokens", "input-tokens", "output-tokens")
_NAMES = (
    *(
        (left.format(of), reset.format(of), of in _TOKENS)
        for of in ("requests", *_TOKENS)
        for left, reset in (
            ("x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),
            ("anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset"),
        )
    ),
    ("x-ratelimit-remaining", "x-ratelimit-reset", False),
    ("ratelimit-remaining", "ratelimit-reset", False),
)
"""What is left, when there is more, and whether it is counted in tokens."""


def until_room(headers: Mapping[str, str], tokens: int = 0) -> float:
    """Seconds until the service takes another call of so many tokens; 0 when it takes one now, or
    says nothing of it."""
    said = {name: value for name, value in headers.items() if "ratelimit" in name}
    return max(_waits(said, tokens), default=0.0) if said else 0.0


def _waits(said: Mapping[str, str], tokens: int) -> Iterator[float]:
    """For each limit that has no room."""
    for left, reset, counts_tokens in _NAMES:
        try:
            if float(said[left]) < (max(tokens, 1) if counts_tokens else 1):
                yield _seconds(said[reset])
        except (KeyError, ValueError, OverflowError):
            continue


def _seconds(said: str) -> float:
    """From now; raises ValueError for what is neither a number, a duration (6m0s) nor a moment."""
    said = said.strip().lower()
    if _PART.sub("", said) == "" and said:
        return sum(float(number) * _UNIT[unit] for number, unit in _PART.findall(said))
    try:
        number = float(said)
    except ValueError:
        number = datetime.fromisoformat(said.upper()).timestamp()
    if number >= _EPOCH * 1000:
        number /= 1000
    return max(0.0, number - time.time() if number >= _EPOCH else number)
