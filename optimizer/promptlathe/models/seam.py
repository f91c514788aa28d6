"""The protocol that every model fulfils, and `connect`, which opens the one that is asked for."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Protocol

from pydantic import SecretStr

from promptlathe.errors import InputError, MissingExtra
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Call, Failure

__all__ = ["Model", "ModelSettings", "check_key", "connect"]

_NO_KEY = SecretStr("no-key")
"""What a local service gets, where the protocol wants a key and the service does not."""


class Model(Protocol):
    """Answers calls. It belongs to the event loop that it was opened in.

    A call that fails is a `Failure`: only a mistake in this program raises.
    """

    async def answer(self, call: Call) -> Answer | Failure:
        """Send the call, once, and wait for the whole answer."""
        ...

    async def close(self) -> None:
        """Close connections; can be called twice."""
        ...


def connect(settings: ModelSettings, *, key: SecretStr | None = None) -> Model:
    """Open the model. `key` spares the environment, for a worker on another machine.

    Raises `InputError` when the key is missing, as `check_key` does.
    """
    if settings.embedded:
        from promptlathe.models.embedded import EmbeddedModel

        return EmbeddedModel()
    if settings.gguf is not None:
        check_key(settings)
        from promptlathe.models.local_model import LocalModel

        return LocalModel(settings)
    if settings.api == "text_to_image":
        from promptlathe.models.images_hub import HubModel

        return HubModel(settings, key or check_key(settings))
    from promptlathe.models.openai_compatible import OpenAICompatibleModel

    return OpenAICompatibleModel(settings, key or check_key(settings))


def check_key(settings: ModelSettings) -> SecretStr:
    """The key of the model's service, from the environment; its `repr` hides it.

    Raises `InputError`, before anything is called, when the variable is not set, or it or the
    address that the environment gives cannot be used; when a local file cannot be served, or the
    client is not installed.
    """
    if settings.gguf is not None:
        _check_local(settings)
        return _NO_KEY
    if settings.api == "text_to_image":
        from promptlathe.models.images_hub import check_installed

        check_installed()
    if settings.embedded:
        return _NO_KEY
    _ = settings.endpoint
    variable = settings.api_key_env or _usual_variable(settings)
    if variable is None:
        return _NO_KEY
    # A key with a line end would be an illegal header: files and shells append one.
    key = os.environ.get(variable, "").strip()
    if key and not (key.isascii() and key.isprintable()):
        raise InputError(
            f"the key in {variable} holds a sign that HTTP does not take",
            "model.api_key_env" if settings.api_key_env else "model",
            "set it anew: keys hold letters, digits and signs, in one line",
        )
    if key:
        return SecretStr(key)
    of = f" of {settings.preset.title}" if settings.preset else ""
    raise InputError(
        f"the model {settings.name!r}{of} needs an API key, and the variable {variable} is not set",
        "model.api_key_env" if settings.api_key_env else "model",
        f"set it (export {variable}=…), name another with model.api_key_env, "
        "or use `model: pocket`, which needs none",
    )


def _usual_variable(settings: ModelSettings) -> str | None:
    """Where the key is looked for, when the settings do not say; None: the service wants none."""
    if settings.preset:
        return settings.preset.key
    if settings.base_url:
        return None
    return "HF_TOKEN" if settings.api == "text_to_image" else "OPENAI_API_KEY"


def _check_local(settings: ModelSettings) -> None:
    weights = settings.weights
    if settings.context and weights.context and settings.context > weights.context:
        raise InputError(
            f"context is {settings.context:,} tokens, and {weights.path.name} was trained for "
            f"{weights.context:,}",
            "model.context",
            "lower it",
        )
    if find_spec("xllamacpp") is None:
        raise MissingExtra("xllamacpp", "local", f"a GGUF file ({weights.path.name})")
