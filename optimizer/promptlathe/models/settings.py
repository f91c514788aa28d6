"""What a run file says about a model, and how a prompt becomes a call to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from promptlathe import documents
from promptlathe.records import Call, Message, Role, Scalar

OPENAI_URL = "https://api.openai.com/v1"
POCKET = "pocket"
PARAMETERS = (
    "frequency_penalty",
    "max_tokens",
    "presence_penalty",
    "reasoning_effort",
    "seed",
    "stop",
    "temperature",
    "top_p",
)
"""The names that are sent with a call, sorted. A prompt may set these, and `name`."""


class ModelSettings(documents.Model):
    """A model by name, its service, and the parameters of a call. None means: not sent.

    `model: gpt-5-mini` is short for `model: {name: gpt-5-mini}`.
    """

    name: Annotated[str, Field(min_length=1)]
    """The service's name for the model, or `pocket`, the embedded one."""
    base_url: str | None = None
    """An OpenAI-compatible service; by default OPENAI_BASE_URL, or else OpenAI itself."""
    api_key_env: str | None = None
    """The environment variable that holds the key."""
    timeout: Annotated[float, Field(gt=0)] = 60
    """Seconds for one attempt, from connecting to the last byte of the answer."""
    retries: Annotated[int, Field(ge=0, le=20)] = 5
    """Further attempts after a rate limit, a server error, a timeout or a lost connection."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """Upper limit of an answer's tokens: it bounds what a call can cost."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: int | None = None
    stop: str | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data

    @field_validator("base_url")
    @classmethod
    def _http_only(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{url!r} is not a web address", "write it as https://host/v1")
        if "@" in parts.netloc:
            raise ValueError(
                "a key does not belong in the address",
                "put it into an environment variable, and name that with api_key_env",
            )
        return url.rstrip("/")

    @property
    def embedded(self) -> bool:
        """The pocket model inside this process."""
        return self.name == POCKET and self.base_url is None

    @property
    def endpoint(self) -> str:
        """The service's base URL; empty for the embedded model."""
        if self.embedded:
            return ""
        return self.base_url or os.environ.get("OPENAI_BASE_URL", "").rstrip("/") or OPENAI_URL

    @property
    def parameters(self) -> dict[str, Scalar]:
        """What is sent with every call, by name, sorted; without what is not set."""
        values = {name: getattr(self, name) for name in PARAMETERS}
        return {name: value for name, value in values.items() if value is not None}

    def call(
        self,
        messages: Sequence[Message],
        parameters: Sequence[tuple[str, Scalar]] = (),
        *,
        repeat: int = 0,
        role: Role = "task",
    ) -> Call:
        """The call for a rendered prompt. `parameters` of the prompt go before the settings';
        `name` among them stands for another model of the same service."""
        merged = self.parameters | dict(parameters)
        name = str(merged.pop("name", self.name))
        return Call(
            name, tuple(messages), tuple(sorted(merged.items())), repeat, self.endpoint, role
        )
