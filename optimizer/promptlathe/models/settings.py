"""What a run file says about a model, and how a prompt becomes a call to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, ValidationInfo, field_validator, model_validator

from promptlathe import documents
from promptlathe.documents import Document
from promptlathe.errors import InputError
from promptlathe.models.addresses import address_in, web_address, with_query
from promptlathe.models.dialect import Dialect, DialectSettings, changed, dialect_of
from promptlathe.models.local_weights import PACKAGED, Weights, weights_of
from promptlathe.models.pocket import VERSION
from promptlathe.models.providers import Provider, ProviderName, providers
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
_LOCAL_TIMEOUT = 600
"""Seconds, by default: a slow machine reads a long prompt for minutes."""
_LOCAL_CONTEXT = 4096
_KEY_HEADERS = ("authorization", "proxy-authorization", "api-key", "x-api-key", "cookie")


class ModelSettings(documents.Model):
    """A model by name, its service, and the parameters of a call. None means: not sent.

    `model: gpt-6-luna` is short for `model: {name: gpt-6-luna}`.
    """

    name: Annotated[str, Field(min_length=1)]
    """The service's name for the model, or `pocket`, the embedded one; of a local file, its stem
    unless it is given."""
    gguf: Annotated[str, Field(min_length=1)] | None = None
    """In place of a service, the weights of a model that is served here: a GGUF file, or
    `smollm2`."""
    context: Annotated[int, Field(ge=256)] | None = None
    """Tokens of one call of a local file, prompt and answer; by default 4096, or fewer where the
    model was trained for fewer."""
    provider: ProviderName | None = None
    """A service whose address, key and dialect are known; what is said beside it goes before."""
    base_url: str | None = None
    """An OpenAI-compatible service; by default the provider's, else OPENAI_BASE_URL, or else OpenAI
    itself."""
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
    size: str | None = None
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
    """Against what is known of the provider, or of the service's host."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"name": data}
        if not isinstance(data, dict):
            return data
        data = dict(data)
        if "max_completion_tokens" in data and "max_tokens" not in data:
            data["max_tokens"] = data.pop("max_completion_tokens")
        if gguf := data.get("gguf"):
            # Of what is no name of a file, that is said, and not that a name is missing.
            data = {"name": Path(str(gguf)).stem or "file", "timeout": _LOCAL_TIMEOUT} | data
        return data

    @model_validator(mode="before")
    @classmethod
    def _at_flex(cls, data: Any) -> Any:
        """A tier that is slow, and refuses what it has no room for."""
        if isinstance(data, dict) and data.get("service_tier") == FLEX[1]:
            return {"timeout": FLEX_TIMEOUT, "retries": FLEX_RETRIES} | data
        return data

    @field_validator("size")
    @classmethod
    def _of_a_picture(cls, size: str | None) -> str | None:
        if size is not None and not re.fullmatch(r"auto|[1-9]\d*x[1-9]\d*", size):
            raise ValueError(f"{size!r} is no size of a picture", "write it as 1024x1024, or auto")
        return size

    @field_validator("gguf")
    @classmethod
    def _located(cls, given: str | None, info: ValidationInfo) -> str | None:
        """Relative to the file that it stands in, which is the context of the validation."""
        if given is None or given in PACKAGED:
            return given
        here = info.context if isinstance(info.context, Document) else Document(None)
        try:
            return str(documents.find(here.folder, given, here.within).absolute())
        except InputError as error:
            raise ValueError(error.what, error.fix) from None

    @model_validator(mode="after")
    def _local_or_not(self) -> Self:
        if self.gguf is None and self.context is not None:
            raise ValueError("`context` is of a local file", "remove it, or name a file with gguf")
        elsewhere = ("provider", "base_url", "api_key_env", "dialect")
        said = [name for name in elsewhere if getattr(self, name) is not None]
        said += ["api"] * (self.api != "chat")
        if self.gguf is not None and said:
            raise ValueError(
                f"`gguf` names a model that is served here, and `{said[0]}` is of a service",
                "remove one of the two",
            )
        return self

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

    @field_validator("dialect")
    @classmethod
    def _no_key_behind_the_address(cls, dialect: DialectSettings | None) -> DialectSettings | None:
        if dialect and dialect.query:
            web_address(f"https://host?{urlencode(dialect.query)}")
        return dialect

    @field_validator("base_url")
    @classmethod
    def _http_only(cls, url: str | None) -> str | None:
        return None if url is None else web_address(url)

    @model_validator(mode="after")
    def _of_the_api(self) -> Self:
        if self.api in DRAWING and self.name == POCKET and self.base_url is None:
            raise ValueError("the embedded model draws no pictures", "name another model")
        for name in PARAMETERS:
            if name in self.model_fields_set and getattr(self, name) is not None:
                check_parameter(name, self.api)
        if self.api == "text_to_image" and self.provider not in (None, "huggingface"):
            raise ValueError("`text_to_image` is an API of Hugging Face", "remove `provider`")
        if self.api == "text_to_image" and self.size == "auto":
            raise ValueError("`size: auto` says no width", "write WIDTHxHEIGHT, or leave it out")
        return self

    @property
    def embedded(self) -> bool:
        """The pocket model inside this process."""
        return self.name == POCKET and not (self.base_url or self.provider or self.gguf)

    @property
    def here(self) -> bool:
        """It is computed on this machine: without an address, a key or a price."""
        return self.embedded or self.gguf is not None

    @property
    def weights(self) -> Weights:
        """Of a local file. Raises InputError unless it is a whole GGUF."""
        assert self.gguf is not None, "it is no local file"
        return weights_of(self.gguf)

    @property
    def tokens_of_a_call(self) -> int:
        """Of a local file: prompt and answer, at most."""
        trained = self.weights.context
        return self.context or min(_LOCAL_CONTEXT, trained or _LOCAL_CONTEXT)

    @property
    def batched(self) -> bool:
        """A batch takes its calls."""
        return self.api in BATCHED and not self.here

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
        """The service's base URL; of the embedded model its version, of a local file its content.

        Raises `InputError` when a variable holds it, and it is no address without a key in it; for
        a local file that cannot be read; and for a provider that has no address of its own.
        """
        if self.gguf is not None:
            return self.weights.endpoint
        if self.embedded:
            return f"{POCKET}-{VERSION}"
        if self.api == "text_to_image":
            return self.base_url or HUB_URL
        query = self.dialect.query if self.dialect else None
        if preset := self.preset:
            return preset.endpoint(self.base_url or address_in(preset.address), query)
        return with_query(self.base_url or address_in("OPENAI_BASE_URL") or OPENAI_URL, query)

    @property
    def preset(self) -> Provider | None:
        """What is known of the provider."""
        return providers()[self.provider] if self.provider else None

    @property
    def spoken(self) -> Dialect:
        """The dialect of the service."""
        preset = self.preset
        return changed(preset.spoken if preset else dialect_of(self.endpoint), self.dialect)

    @property
    def parameters(self) -> dict[str, Json]:
        """What is sent with every call, by name, sorted; without what is not set."""
        taken = _DRAWING.get(self.api, PARAMETERS)
        values = {name: getattr(self, name) for name in PARAMETERS if name in taken}
        if (preset := self.preset) and preset.extra_body and self.api == "chat":
            values["extra_body"] = preset.extra_body | (self.extra_body or {})
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
