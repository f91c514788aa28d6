"""A model of another tool as the run file spells it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from promptlathe.models.settings import PARAMETERS
from promptlathe.records import Json

RENAMED = {
    "max_completion_tokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "maxTokens": "max_tokens",
    "topP": "top_p",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "stopSequences": "stop",
    "stop_sequences": "stop",
    "apiBaseUrl": "base_url",
    "api_base": "base_url",
    "openai_api_base": "base_url",
    "apiKeyEnvar": "api_key_env",
    "passthrough": "extra_body",
    "additionalProperties": "extra_body",
    "model_kwargs": "extra_body",
    "headers": "extra_headers",
}
"""Other tools' names of settings."""
KNOWN = {*PARAMETERS, "base_url", "api_key_env"}
MERGED = ("extra_body", "extra_headers")
SECRET = ("apikey", "api_key", "token", "secret", "password")


def settings(
    given: Mapping[str, Any], lose: Callable[[str, str], None], ignored: tuple[str, ...] = ()
) -> dict[str, Json]:
    """Those that the run file knows; `lose` is told the key of each other one, and why."""
    from pydantic import ValidationError

    from promptlathe.models.settings import ModelSettings

    found: dict[str, Json] = {}
    for key, value in _flat(given):
        name = RENAMED.get(key, key)
        if key in ignored or value is None:
            continue
        if key.lower() in SECRET or key.lower().endswith("_api_key"):
            lose(key, "a key is not carried over: put it into a variable, and name that")
        elif name not in KNOWN:
            lose(key, f"the setting {key} of the model")
        else:
            try:
                ModelSettings.model_validate({"name": "m", name: value})
            except ValidationError:
                lose(key, f"the setting {key} of the model: {value!r}")
            else:
                found[name] = {**found.get(name, {}), **value} if name in MERGED else value
    return found


def _flat(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is passed through under a name that is known stands by itself."""
    for key, value in given.items():
        if RENAMED.get(key, key) == "extra_body" and isinstance(value, Mapping):
            for inner, one in value.items():
                known = RENAMED.get(inner, inner) in KNOWN
                yield (inner, one) if known else ("extra_body", {inner: one})
        else:
            yield key, value
