"""Any service that speaks OpenAI's HTTP: chat completions, or another of its APIs (`wire.py`).

`client.post` with a raw response stands in for `client.chat.completions.create`: it skips the
request transform and the response models, which take half of the processor time of a call.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import httpx2
from openai import AsyncOpenAI
from pydantic import SecretStr

from promptlathe.documents import hiding
from promptlathe.models.failures import failure_from
from promptlathe.models.providers import MODEL
from promptlathe.models.settings import ModelSettings
from promptlathe.models.transport import LeanClient
from promptlathe.models.wire import wire_of
from promptlathe.records import Answer, Call, Failure

LONGEST = 200
"""Tokens of an answer, after which a model is not asked any more how likely labels were: it comes
to a quarter of a megabyte, and what was thought before the label has settled it."""


class _Client(AsyncOpenAI):
    """Of one address, which is parsed once, and of headers that are put together once: the library
    does both for each call (`benchmarks/throughput.py` shows what a call takes). It calls these two
    itself; should it do without them one day, calls take longer, and nothing else changes."""

    def __init__(self, url: str, *, key_header: str | None, **options: Any) -> None:
        super().__init__(**options)
        self._key_header = key_header
        self._address = httpx2.URL(url)
        self._usual: httpx2.Headers | None = None

    def _prepare_url(self, url: str) -> httpx2.URL:
        return self._address

    def _build_headers(self, options: Any, *, retries_taken: int = 0) -> httpx2.Headers:
        if options.headers:
            return self._keyed(super()._build_headers(options, retries_taken=retries_taken))
        if self._usual is None:
            self._usual = self._keyed(super()._build_headers(options, retries_taken=retries_taken))
        return self._usual

    def _keyed(self, headers: httpx2.Headers) -> httpx2.Headers:
        """With the key in the header where the service looks for it."""
        if self._key_header:
            headers.pop("Authorization", None)
            headers[self._key_header] = self.api_key
        return headers


class OpenAICompatibleModel:
    """One service, in one event loop."""

    def __init__(self, settings: ModelSettings, key: SecretStr) -> None:
        secret = key.get_secret_value()
        self._hide = hiding(secret)
        self._settings, self._key = settings, secret
        self._dialect = settings.spoken
        self._wire = wire_of(settings.api)
        self._url = address(settings.endpoint, self._wire.path)
        # What an option has no value for, the client copies deeply for each call.
        self._options: Any = {"max_retries": 0}
        self._seconds = settings.seconds
        self._clients: dict[str, _Client] = {}
        """By address: some services want the model's name in it."""
        self._says: dict[str, bool] = {}
        """By model: whether it takes to be asked how likely labels were."""

    async def answer(self, call: Call) -> Answer | Failure:
        """Send the call once; a second time, without them, where it may have been refused for the
        chances of labels: such a refusal is not billed."""
        if not call.labels:
            return await self._send(call)
        plain = replace(call, labels=())
        says = self._says.get(call.model)
        if says is False:
            return await self._send(plain)
        reply = await self._send(call)
        if isinstance(reply, Answer):
            self._says[call.model] = (reply.output_tokens or 0) <= LONGEST
        elif says is None and reply.reason == "bad_request":
            reply = await self._send(plain)
            if isinstance(reply, Answer):
                self._says[call.model] = False
        return reply

    async def _send(self, call: Call) -> Answer | Failure:
        body = self._wire.body(call, self._dialect)
        headers = dict(call.parameters).get("extra_headers") or {}
        start = perf_counter()
        try:
            client = self._client(call.model)
            response = await client.post(
                self._url,
                cast_to=httpx2.Response,
                body=body,
                options=self._options | {"headers": headers, "timeout": self._seconds(call)},
            )
            latency = perf_counter() - start
            return self._wire.read(
                response.content, latency, response.headers, hide=self._hide, labels=call.labels
            )
        except Exception as error:  # noqa: BLE001 - failure_from raises what it does not know
            return failure_from(error, hide=self._hide)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def _client(self, model: str) -> _Client:
        url = self._url.replace(MODEL, quote(model, safe=""))
        if url not in self._clients:
            self._clients[url] = _Client(
                url,
                key_header=self._dialect.key_header,
                api_key=self._key,
                base_url=self._settings.endpoint,
                http_client=LeanClient(url, timeout=self._settings.timeout),
            )
        return self._clients[url]


def address(endpoint: str, path: str) -> str:
    """Below the base URL, before its query if there is one."""
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))
