"""What is known of services by name: address, key, dialect, and what they lack."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.models.addresses import with_query
from promptlathe.models.dialect import Dialect, DialectSettings, changed
from promptlathe.records import Json

MODEL = "{model}"
"""In an address: what stands for the name of the call's model."""
ProviderName = Literal[
    "openai",
    "azure",
    "anthropic",
    "gemini",
    "mistral",
    "groq",
    "openrouter",
    "together",
    "huggingface",
    "ollama",
    "vllm",
    "lmstudio",
    "llamacpp",
    "transformers",
    "tgi",
]


class Provider(documents.Model):
    """A service; each key is explained at the head of providers.yaml."""

    title: str
    base_url: str | None = None
    example: str = ""
    address: str | None = None
    key: str | None = None
    path: str = ""
    dialect: DialectSettings = Field(default_factory=DialectSettings)
    rename: dict[str, str] = Field(default_factory=dict)
    refused: tuple[str, ...] = ()
    extra_body: dict[str, Json] = Field(default_factory=dict)
    structured: bool | None
    logprobs: bool | None
    flex: bool | None
    note: str = ""
    checked: date
    sources: tuple[str, ...] = Field(min_length=1)

    @property
    def spoken(self) -> Dialect:
        """Its dialect."""
        plain = Dialect(rename=self.rename, refused=self.refused)
        return changed(plain, self.dialect)

    def endpoint(self, said: str | None, query: Mapping[str, str] | None) -> str:
        """The base URL, MODEL in it where the service wants the model there.

        said: an address, and a query, that go before. Raises InputError when there is none.
        """
        base = said or self.base_url
        if not base:
            raise InputError(
                f"{self.title} needs the address of your resource",
                "model.base_url",
                f"write base_url: {self.example}, or set {self.address}",
            )
        if self.path and urlsplit(base).path in ("", "/"):
            base = base.rstrip("/") + self.path
            query = self.dialect.query if query is None else query
        return with_query(base, query)


@cache
def providers() -> Mapping[ProviderName, Provider]:
    """All of them, by name."""
    known = documents.load(Path(__file__).with_name("providers.yaml"))
    return {name: documents.parse(Provider, known.at(name)) for name in get_args(ProviderName)}
