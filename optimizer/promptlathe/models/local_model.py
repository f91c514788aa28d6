"""A GGUF file as a model: its server is started with the first call."""

from __future__ import annotations

import asyncio

from pydantic import SecretStr

from promptlathe.models.local_server import LocalServer, ServerEnded, close_server, open_server
from promptlathe.models.openai_compatible import OpenAICompatibleModel
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Call, Failure


class LocalModel:
    """One file, in one event loop. Loading it does not count towards a call's time."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._server: LocalServer | None = open_server(settings.weights, settings.tokens_of_a_call)
        self._client: tuple[str, OpenAICompatibleModel] | None = None

    async def answer(self, call: Call) -> Answer | Failure:
        """Send the call once. Raises InputError when the file cannot be loaded."""
        assert self._server is not None, "it was closed"
        try:
            address = self._server.address or await asyncio.to_thread(self._server.start)
        except ServerEnded as error:
            return Failure("server_error", str(error))
        return await (await self._open(address, self._server.key)).answer(call)

    async def close(self) -> None:
        """The server is ended with the last who uses it; can be called twice."""
        client, self._client = self._client, None
        server, self._server = self._server, None
        if client:
            await client[1].close()
        if server:
            close_server(server)

    async def _open(self, address: str, key: str) -> OpenAICompatibleModel:
        """The client of this address: a server that was started again has another."""
        if self._client and self._client[0] == address:
            return self._client[1]
        here = self._settings.model_copy(update={"gguf": None, "base_url": address})
        old, made = self._client, OpenAICompatibleModel(here, SecretStr(key))
        self._client = address, made
        if old:
            await old[1].close()
        return made
