"""What a run file says about a model, and how a prompt becomes a call to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.models.dialect import DialectSettings
from promptlathe.models.pocket import VERSION
from promptlathe.records import DRAWING, Api, Call, Json, Message, Role

OPENAI_URL = "https://api.openai.com/v1"
BATCHED: tuple[Api, ...] = ("chat", "images")
"""The APIs whose calls a batch takes."""
FLEX = ("service_tier", "flex")
"""The parameter of a call at OpenAI's tier for half the price."""
FLEX_TIMEOUT = 900
"""Seconds of one attempt there, by default: OpenAI's own advice."""
FLEX_RETRIES = 8
"""Further attempts there, by default; with `runtime.retry`'s pauses they take nine minutes."""
HUB_URL = "https://router.huggingface.co"
POCKET = "pocket"
"""Of the embedded model's answers: the ledger keeps those of two versions apart."""
PARAMETERS = (
    "background",
    "extra_body",
    "extra_headers",
    "frequency_penalty",
    "logprobs",
    "max_tokens",
    "moderation",
    "negative_prompt",
    "output_compression",
    "output_format",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "quality",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "size",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "verbosity",
)
"""The names that are sent with a call, sorted. A prompt may set these, and `name`."""
_ALWAYS = ("extra_body", "extra_headers")
_DRAWING: dict[Api, tuple[str, ...]] = {
    "images": (
        "background",
        "moderation",
        "output_compression",
        "output_format",
        "quality",
        "size",
        *_ALWAYS,
    ),
    "text_to_image": ("negative_prompt", "seed", "size", *_ALWAYS),
}
"""What APIs that draw take; they take nothing else, and no other API takes the first lines."""
_OF_PICTURES = frozenset(name for names in _DRAWING.values() for name in names) - {
    "seed",
    *_ALWAYS,
}
QUESTIONS = "questions"
"""The parameter of a call to the Decisions API that holds them."""
DECISIONS_TAKE = ("max_tokens", "prompt_cache_key", "extra_body", "extra_headers")
"""What may be set for that API; `max_tokens` bounds what is held for a call, and is not sent."""
_OURS = ("max_completion_tokens", "max_tokens", "messages", "model", "n", "stream")
"""What `extra_body` may not say: one whole answer a call, and its bound is `max_tokens`."""
_KEY_HEADERS = ("authorization", "proxy-authorization", "api-key", "x-api-key", "cookie")


class ModelSettings(documents.Model):
    """A model by name, its service, and the parameters of a call. None means: not sent.

    `model: gpt-5-mini` is short for `model: {name: gpt-5-mini}`.
    """

    name: Annotated[str, Field(min_length=1)]
    """The service's name for the model, or `pocket`, the embedded one."""
    base_url: str | None = None
    """An OpenAI-compatible service; by default OPENAI_BASE_URL, or else OpenAI itself."""
    api: Api = "chat"
    """Which API of the service is used."""
    api_key_env: str | None = None
    """The environment variable that holds the key."""
    timeout: Annotated[float, Field(gt=0)] = 60
    """Seconds for one attempt, from connecting to the last byte of the answer."""
    retries: Annotated[int, Field(ge=0, le=20)] = 5
    """Further attempts after a rate limit, a server error, a timeout or a lost connection."""
    flex_fallback: bool = False
    """Whether a call that `service_tier: flex` has no room for, after all attempts, is made once
    more at the standard tier and its price."""
    outage: Annotated[float, Field(ge=0)] = 300
    """Seconds that a service which takes no connection is waited for."""
    calls_per_minute: Annotated[int | None, Field(gt=0)] = None
    """Of this model at most; beside it, the pace adapts to what the service refuses."""
    tokens_per_minute: Annotated[int | None, Field(gt=0)] = None
    """Of this model at most, input and output."""
    max_tokens: Annotated[int, Field(gt=0)] = 1024
    """Upper limit of an answer's tokens: it bounds what a call can cost."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    response_format: dict[str, Json] | None = None
    tools: list[dict[str, Json]] | None = None
    tool_choice: str | dict[str, Json] | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    prompt_cache_key: str | None = None
    size: Annotated[str, Field(pattern=r"^(auto|[1-9]\d*x[1-9]\d*)$")] | None = None
    """Of a picture: WIDTHxHEIGHT."""
    quality: str | None = None
    """Of a picture, which decides its price."""
    background: str | None = None
    output_format: Literal["png", "jpeg", "webp", "gif"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    moderation: str | None = None
    negative_prompt: str | None = None
    """What a picture shall not show (`text_to_image`)."""
    extra_body: dict[str, Json] | None = None
    """Further keys of the request's JSON, as they are."""
    extra_headers: dict[str, str] | None = None
    """Further headers; no keys, which belong into the environment."""
    dialect: DialectSettings | None = None
    """Against what is known of the service's host."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"name": data}
        if isinstance(data, dict) and "max_completion_tokens" in data and "max_tokens" not in data:
            data = dict(data)
            data["max_tokens"] = data.pop("max_completion_tokens")
        return data

    @model_validator(mode="before")
    @classmethod
    def _at_flex(cls, data: Any) -> Any:
        """A tier that is slow, and refuses what it has no room for."""
        if isinstance(data, dict) and data.get("service_tier") == FLEX[1]:
            return {"timeout": FLEX_TIMEOUT, "retries": FLEX_RETRIES} | data
        return data

    @model_validator(mode="after")
    def _taken(self) -> Self:
        wrong = [name for name in self.parameters if name not in DECISIONS_TAKE]
        if self.api == "decisions" and wrong:
            raise ValueError(f"the Decisions API takes no {wrong[0]}", f"remove `{wrong[0]}`")
        return self

    @field_validator("extra_body")
    @classmethod
    def _no_override(cls, body: dict[str, Json] | None) -> dict[str, Json] | None:
        _check_extra("extra_body", body)
        return body

    @field_validator("extra_headers")
    @classmethod
    def _no_key(cls, headers: dict[str, str] | None) -> dict[str, str] | None:
        _check_extra("extra_headers", headers)
        return headers

    @field_validator("base_url")
    @classmethod
    def _http_only(cls, url: str | None) -> str | None:
        return None if url is None else _web_address(url)

    @model_validator(mode="after")
    def _of_the_api(self) -> Self:
        if self.api in DRAWING and self.name == POCKET and self.base_url is None:
            raise ValueError("the embedded model draws no pictures", "name another model")
        for name in PARAMETERS:
            if name in self.model_fields_set and getattr(self, name) is not None:
                check_parameter(name, self.api)
        if self.api == "text_to_image" and self.size == "auto":
            raise ValueError("`size: auto` says no width", "write WIDTHxHEIGHT, or leave it out")
        return self

    @property
    def embedded(self) -> bool:
        """The pocket model inside this process."""
        return self.name == POCKET and self.base_url is None

    @property
    def batched(self) -> bool:
        """A batch takes its calls."""
        return self.api in BATCHED and not self.embedded

    def seconds(self, call: Call) -> float:
        """That one attempt of a call may take; a prompt may set its tier."""
        slow = FLEX in call.parameters and "timeout" not in self.model_fields_set
        return FLEX_TIMEOUT if slow else self.timeout

    @property
    def draws(self) -> bool:
        """Its answers are pictures."""
        return self.api in DRAWING

    @property
    def writes(self) -> bool:
        """It writes any text that it is asked for."""
        return not (self.embedded or self.draws)

    @property
    def endpoint(self) -> str:
        """The service's base URL; of the embedded model its version.

        Raises `InputError` when it is OPENAI_BASE_URL's, and no address without a key in it.
        """
        if self.embedded:
            return f"{POCKET}-{VERSION}"
        if self.base_url:
            return self.base_url
        if self.api == "text_to_image":
            return HUB_URL
        said = os.environ.get("OPENAI_BASE_URL", "").strip()
        try:
            return _web_address(said) if said else OPENAI_URL
        except ValueError as error:
            what = f"{error.args[0]} (of OPENAI_BASE_URL)"
            raise InputError(what, "model", error.args[1]) from None

    @property
    def parameters(self) -> dict[str, Json]:
        """What is sent with every call, by name, sorted; without what is not set."""
        taken = _DRAWING.get(self.api, PARAMETERS)
        values = {name: getattr(self, name) for name in PARAMETERS if name in taken}
        return {name: value for name, value in values.items() if value is not None}

    def call(
        self,
        messages: Sequence[Message],
        parameters: Sequence[tuple[str, Json]] = (),
        *,
        repeat: int = 0,
        role: Role = "task",
        step: str = "",
    ) -> Call:
        """The call for a rendered prompt. `parameters` of the prompt go before the settings';
        `name` among them stands for another model of the same service.

        Raises `InputError` for a parameter that is not known.
        """
        given = dict(parameters)
        if "max_completion_tokens" in given:
            given["max_tokens"] = given.pop("max_completion_tokens")
        asks = self.api == "decisions"
        if asks and QUESTIONS not in given:
            what = "the Decisions API answers questions, and none are asked"
            raise InputError(what, "judge.api", "use  api: chat")
        for name in given:
            if name not in PARAMETERS and name != "name" and not (asks and name == QUESTIONS):
                fix = f"use one of: {', '.join(PARAMETERS)}"
                raise InputError(f"unknown model parameter {name!r}", "parameters", fix)
        for name in ("extra_body", "extra_headers"):
            if name in given:
                _check_call_extra(name, given[name])
        merged = self.parameters | given
        name = str(merged.pop("name", self.name))
        ordered = tuple(sorted(merged.items(), key=lambda item: item[0]))
        return Call(name, tuple(messages), ordered, repeat, self.endpoint, role, step, self.api)


@lru_cache
def _web_address(url: str) -> str:
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


def check_parameter(name: str, api: Api) -> None:
    """Raises ValueError(what, fix) for a parameter that the API does not take."""
    if name == "name" or (name in _DRAWING[api] if api in _DRAWING else name not in _OF_PICTURES):
        return
    if api in _DRAWING:
        fix = f"remove it; there are: {', '.join(_DRAWING[api])}"
    else:
        fix = "add `api: images`, or remove it"
    raise ValueError(f"`api: {api}` takes no {name!r}", fix)


def _check_call_extra(name: str, extra: Json) -> None:
    if not isinstance(extra, dict):
        raise InputError(f"{name} is not a mapping", "parameters")
    try:
        _check_extra(name, extra)
    except ValueError as error:
        raise InputError(str(error.args[0]), "parameters", error.args[1]) from None


def _check_extra(name: str, extra: dict[str, Any] | None) -> None:
    """Raises ValueError(what, fix) for a key that is not theirs to set."""
    refused = _OURS if name == "extra_body" else _KEY_HEADERS
    fix = "remove it" if name == "extra_body" else "name the key's variable with api_key_env"
    for key in extra or {}:
        if key.lower() in refused:
            raise ValueError(f"{name} may not hold {key!r}", fix)
