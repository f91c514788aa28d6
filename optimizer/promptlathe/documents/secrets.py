"""Addresses and texts without the passwords and keys in them.

Whatever is printed, stored or told of an address goes through `shown_url`; what a library or a
service says goes through what `hiding` makes of the secrets that it may have met.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
LEAST = 4
"""Characters of a secret that is taken out of texts: a shorter one stands in half of the words."""
_HEAD = re.compile(r"(?:[A-Za-z][\w+.-]*:/+)?")
_KEYED = re.compile(
    r"([?&;#](?:[^=&;#]{0,64}(?:key|token|secret|pass|pwd|auth|credential|signature)"
    r"[^=&;#]{0,64}|sig)=)"
    r"([^&#]*)",
    re.IGNORECASE,
)
"""A part of a query whose name says that it holds a key, and its value. Names are bounded, here and
below: without that, a text of 100,000 letters would take a minute."""
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]{0,31}://[^\s\"'<>]+")
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(\[.*\]|[^:]*)(:\d*)?")


def shown_url(url: str) -> str:
    """An address as it may be shown: its password and the keys in its query are `***`.

    Of a web address a user's name without a password is hidden too: it may be a token.
    """
    head, login, tail = _parted(url)
    user, colon, _ = login.partition(":")
    if colon:
        login = f"{user}:{HIDDEN}"
    elif login and _is_web(head):
        login = HIDDEN
    return head + login + _KEYED.sub(rf"\1{HIDDEN}", tail)


def secrets_of(url: str) -> tuple[str, ...]:
    """What `shown_url` hides, as it is written, in parts, and as HTTP sends it."""
    head, login, tail = _parted(url)
    user, colon, password = login.partition(":")
    token = user if not colon and _is_web(head) else password
    # An address whose password is not quoted may be split within it.
    parts = re.split("[@:/?#]", token)
    basic = b64encode(unquote(login).encode()).decode() if token else ""
    found = (token, *parts, basic, *(keyed[2] for keyed in _KEYED.finditer(tail)))
    return tuple(dict.fromkeys(one for one in found if one))


def hiding(*secrets: str) -> Callable[[str], str]:
    """A function that hides these secrets in a text, and those of any address in it."""
    known = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in known:
            text = text.replace(secret, HIDDEN)
        return _ADDRESS.sub(lambda found: shown_url(found[0]), text)

    return hide


def _forms(secret: str) -> Iterator[str]:
    """As it is, quoted and unquoted."""
    for form in (secret, quote(secret, ""), quote_plus(secret), unquote(secret)):
        if len(form) >= LEAST:
            yield form


def _is_web(head: str) -> bool:
    return head.lower().startswith(("http:", "https:"))


def _parted(url: str) -> tuple[str, str, str]:
    """(scheme and slashes, login, the rest from the `@` on).

    A password that is not quoted may hold `@` and `/`. Where a web address has an `@` in its path,
    as some have, it has no login.
    """
    head = _HEAD.match(url)
    start = head.end() if head else 0
    rest = url[start:]
    if ":///" in url[:start]:  # a file's path
        return "", "", url
    authority = _AUTHORITY.match(rest)
    before = authority[0] if authority else ""
    place = rest
    if _is_web(url[:start]) and ("@" in before or _HOST.fullmatch(before)):
        place = before
    end = place.rfind("@")
    return (url[:start], rest[:end], rest[end:]) if end >= 0 else (url[:start], "", rest)
