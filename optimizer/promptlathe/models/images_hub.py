"""`text_to_image` of `huggingface_hub`: Hugging Face's router, or an endpoint of your own."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import httpx2
from pydantic import SecretStr

from promptlathe.documents import hiding
from promptlathe.errors import InputError
from promptlathe.models.failures import failure_from, short
from promptlathe.models.images_api import drawing, prompt_of
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Call, Failure


def check_installed() -> None:
    """Raises `InputError` without the extra."""
    if find_spec("huggingface_hub") is None:
        raise InputError(
            "`api: text_to_image` needs huggingface_hub, which is not installed",
            "model.api",
            "pip install 'promptlathe[hf]'",
        )


class HubModel:
    """One client in one event loop. `name:PROVIDER` names who draws, as in Hugging Face's router;
    with a `base_url` it is sent there as it is."""

    def __init__(self, settings: ModelSettings, key: SecretStr) -> None:
        from huggingface_hub import AsyncInferenceClient

        secret = key.get_secret_value()
        self._hide = hiding(secret)
        self._seconds = settings.timeout
        self._url = settings.base_url
        self._client: Callable[..., Any] = AsyncInferenceClient
        self._options: dict[str, Any] = {"api_key": secret, "timeout": settings.timeout}
        self._open: dict[str, Any] = {}
        """Clients by provider."""

    async def answer(self, call: Call) -> Answer | Failure:
        """Draw once."""
        name, _, provider = call.model.partition(":")
        given = dict(call.parameters)
        headers = given.pop("extra_headers", None)
        size = str(given.pop("size", ""))
        if size:
            width, _, height = size.partition("x")
            given |= {"width": int(width), "height": int(height)}
        start = perf_counter()
        try:
            client = self._of(provider or "auto", headers)
            async with asyncio.timeout(self._seconds):
                picture = await client.text_to_image(
                    prompt_of(call), model=self._url or name, **given
                )
            drawn: bytes = await asyncio.to_thread(_png, picture)
        except Exception as error:  # noqa: BLE001 - told as a failure, or raised again
            return _failure(error, self._hide)
        return drawing(drawn, perf_counter() - start)

    async def close(self) -> None:
        """Close the connections."""
        clients, self._open = self._open, {}
        for client in clients.values():
            await client.close()

    def _of(self, provider: str, headers: Any) -> Any:
        if provider not in self._open:
            self._open[provider] = self._client(
                provider=None if self._url else provider, headers=headers, **self._options
            )
        return self._open[provider]


def _png(picture: Any) -> bytes:
    kept = io.BytesIO()
    picture.save(kept, "PNG")
    return kept.getvalue()


def _failure(error: Exception, hide: Callable[[str], str]) -> Failure:
    from huggingface_hub.errors import HfHubHTTPError
    from PIL import UnidentifiedImageError

    if isinstance(error, HfHubHTTPError):
        response = error.response
        error = httpx2.HTTPStatusError(str(error), request=response.request, response=response)
    if isinstance(error, UnidentifiedImageError):
        return Failure("malformed", "what came is no picture", 1)
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return Failure("not_found", short(hide(str(error))))  # no such model, or provider of it
    return failure_from(error, hide=hide)
