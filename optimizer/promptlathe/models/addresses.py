"""Addresses of services: checked, so that no key stands in one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlencode, urlsplit

from promptlathe import documents
from promptlathe.errors import InputError


def address_in(variable: str | None) -> str | None:
    """The address that an environment variable holds, if it does."""
    said = os.environ.get(variable, "").strip() if variable else ""
    try:
        return web_address(said) if said else None
    except ValueError as error:
        raise InputError(f"{error.args[0]} (of {variable})", "model", error.args[1]) from None


@lru_cache
def web_address(url: str) -> str:
    """Without a slash at its end. Raises ValueError(what, fix) for what is none, or holds a key."""
    shown = documents.shown_url(url)
    if shown != url:
        raise ValueError(
            f"a key does not belong in the address {shown}",
            "put it into an environment variable, and name that with api_key_env",
        )
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is no number
        good = False
    if not good or not url.isprintable() or " " in url:
        raise ValueError(f"{url!r} is not a web address", "write it as https://host/v1")
    return url.rstrip("/")


def with_query(address: str, query: Mapping[str, str] | None) -> str:
    """The address, and behind it the query, unless it is there already."""
    added = urlencode(query or {})
    if not added or address.endswith(added):
        return address
    return f"{address}{'&' if '?' in address else '?'}{added}"
