"""The tokens that a service reports, whatever it calls them."""

from __future__ import annotations

from typing import Any


def usage(data: dict[str, Any], *, wrote: bool) -> dict[str, int | None]:
    """The tokens of a completion by the names of `Answer`; None where the service does not say.

    wrote: the answer holds a text or tool calls. No prompt has no tokens, and nothing that was
    written: such zeros stand for unknown, and so does what is no count.

    `prompt_tokens` holds what was read from the cache and written to it (OpenAI, DeepSeek,
    LiteLLM). Anthropic counts both beside `input_tokens`, and some gateways only change the name.
    """
    said = _mapping(data.get("usage"))
    prompt, completion = (
        _mapping(said.get(name)) for name in ("prompt_tokens_details", "completion_tokens_details")
    )
    cached = _first(
        prompt.get("cached_tokens"),
        said.get("prompt_cache_hit_tokens"),
        said.get("cache_read_input_tokens"),
    )
    written = _first(
        prompt.get("cache_write_tokens"),
        prompt.get("cache_creation_tokens"),
        said.get("cache_creation_input_tokens"),
    )
    beside = (cached or 0) + (written or 0)
    whole, rest = _count(said.get("prompt_tokens")), _count(said.get("input_tokens"))
    if whole is None and rest is not None:
        whole = rest + beside
    elif whole and beside > whole:
        whole += beside
    output = _first(said.get("completion_tokens"), said.get("output_tokens"))
    return {
        "input_tokens": whole or None,
        "output_tokens": None if wrote and output == 0 else output,
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "reasoning_tokens": _count(completion.get("reasoning_tokens")),
    }


def _mapping(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _first(*said: Any) -> int | None:
    return next((n for n in map(_count, said) if n is not None), None)


def _count(said: Any) -> int | None:
    known = isinstance(said, int) and not isinstance(said, bool) and said >= 0
    return said if known else None
