"""Providers: each against a server that takes its dialect and refuses all else."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.services import completion
from tests.test_docs import table

import promptlathe as pl
from promptlathe.documents import Document, parse
from promptlathe.errors import InputError
from promptlathe.job import Job, check
from promptlathe.models import ModelSettings, check_key, connect
from promptlathe.models.providers import ProviderName, providers
from promptlathe.models.settings import PARAMETERS
from promptlathe.records import Answer, Failure, Message

KEY = "sk-test"
BEARER = {"authorization": f"Bearer {KEY}"}
USUAL = {"model", "messages", "max_tokens", "temperature", "seed", "logprobs", "response_format"}
USUAL |= {"service_tier", "reasoning_effort"}
FORM = {"type": "json_object"}


@dataclass(frozen=True)
class Takes:
    """What a service wants; written here by hand, and not taken from providers.yaml."""

    address: str | None
    path: str
    takes: set[str]
    headers: Mapping[str, str] = field(default_factory=lambda: BEARER)
    query: Mapping[str, str] = field(default_factory=dict)
    variable: str | None = None


LOCAL = {"authorization": "Bearer no-key"}
NEW = USUAL - {"max_tokens"} | {"max_completion_tokens"}
SERVICES: dict[ProviderName, Takes] = {
    "openai": Takes(
        "https://api.openai.com/v1", "/v1/chat/completions", NEW, variable="OPENAI_API_KEY"
    ),
    "azure": Takes(
        None,
        "/openai/deployments/the%20model/chat/completions",
        NEW,
        headers={"api-key": KEY},
        query={"api-version": "2024-10-21"},
        variable="AZURE_OPENAI_API_KEY",
    ),
    "anthropic": Takes(
        "https://api.anthropic.com/v1",
        "/v1/chat/completions",
        {"model", "messages", "max_tokens", "temperature"},
        variable="ANTHROPIC_API_KEY",
    ),
    "gemini": Takes(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "/v1beta/openai/chat/completions",
        USUAL,
        variable="GEMINI_API_KEY",
    ),
    "mistral": Takes(
        "https://api.mistral.ai/v1",
        "/v1/chat/completions",
        USUAL - {"seed", "logprobs", "service_tier"} | {"random_seed"},
        variable="MISTRAL_API_KEY",
    ),
    "groq": Takes(
        "https://api.groq.com/openai/v1",
        "/openai/v1/chat/completions",
        USUAL - {"logprobs"},
        variable="GROQ_API_KEY",
    ),
    "openrouter": Takes(
        "https://openrouter.ai/api/v1",
        "/api/v1/chat/completions",
        USUAL | {"provider"},
        variable="OPENROUTER_API_KEY",
    ),
    "together": Takes(
        "https://api.together.ai/v1", "/v1/chat/completions", USUAL, variable="TOGETHER_API_KEY"
    ),
    "huggingface": Takes(
        "https://router.huggingface.co/v1", "/v1/chat/completions", USUAL, variable="HF_TOKEN"
    ),
    "ollama": Takes(
        "http://127.0.0.1:11434/v1", "/v1/chat/completions", USUAL - {"service_tier"}, LOCAL
    ),
    "vllm": Takes("http://127.0.0.1:8000/v1", "/v1/chat/completions", USUAL, LOCAL),
    "lmstudio": Takes(
        "http://127.0.0.1:1234/v1", "/v1/chat/completions", USUAL - {"logprobs"}, LOCAL
    ),
    "llamacpp": Takes("http://127.0.0.1:8080/v1", "/v1/chat/completions", USUAL, LOCAL),
    "transformers": Takes("http://127.0.0.1:8000/v1", "/v1/chat/completions", USUAL, LOCAL),
    "tgi": Takes("http://127.0.0.1:3000/v1", "/v1/chat/completions", USUAL, LOCAL),
}
SENT: dict[str, Any] = {
    "name": "the model",
    "max_tokens": 9,
    "temperature": 0.5,
    "seed": 3,
    "logprobs": True,
    "response_format": FORM,
    "service_tier": "flex",
    "reasoning_effort": "low",
}
HI = [Message("system", "Be brief."), Message("user", "hi")]


class Strict:
    """Answers what is said in one service's dialect; tells what is wrong with all else."""

    def __init__(self, wanted: Takes) -> None:
        self.wanted = wanted
        self.body: dict[str, Any] = {}

    async def handle(self, request: web.Request) -> web.Response:
        wanted = self.wanted
        self.body = await request.json()
        wrong = [f"path {request.raw_path}"] * (request.rel_url.raw_path != wanted.path)
        wrong += [f"query {request.query_string}"] * (dict(request.query) != dict(wanted.query))
        if self.body.keys() != wanted.takes:
            wrong.append(f"parameters {sorted(self.body.keys() ^ wanted.takes)}")
        sent = {name.lower(): value for name, value in request.headers.items()}
        keys = {k: v for k, v in sent.items() if k in ("authorization", "api-key", "x-api-key")}
        if keys != dict(wanted.headers):
            wrong.append(f"keys in {sorted(keys)}")
        if wrong:
            return web.json_response({"error": {"message": "; ".join(wrong)}}, status=400)
        return web.json_response(completion("hello"))


@pytest.fixture(params=SERVICES)
async def service(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[ProviderName, Strict, str]]:
    strict = Strict(SERVICES[request.param])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", strict.handle)
    async with TestServer(app) as server:
        yield request.param, strict, str(server.make_url("")).rstrip("/")


async def test_each_provider_is_spoken_to_in_its_dialect(
    service: tuple[ProviderName, Strict, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, strict, address = service
    wanted = strict.wanted
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", wanted.variable):
        monkeypatch.delenv(variable or "", raising=False)
    if wanted.variable:
        monkeypatch.setenv(wanted.variable, KEY)
    below = "" if name == "azure" else wanted.path.removesuffix("/chat/completions")
    settings = ModelSettings(provider=name, base_url=address + below, **SENT)
    model = connect(settings)
    reply = await model.answer(settings.call(HI))
    await model.close()
    assert isinstance(reply, Answer), reply
    assert strict.body["messages"][0] == {"role": "system", "content": "Be brief."}
    # Another service's dialect is refused, so that the test means something.
    plain = ModelSettings(base_url=address + below, **SENT, dialect={"max_completion_tokens": True})
    if wanted.takes != NEW or wanted.query:
        stranger = connect(plain)
        assert isinstance(await stranger.answer(plain.call(HI)), Failure)
        await stranger.close()


@pytest.mark.parametrize("name", SERVICES)
def test_a_key_that_is_missing_is_named_with_its_provider(
    name: ProviderName, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = SERVICES[name]
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")  # of no provider
    settings = ModelSettings(provider=name, name="m")
    if wanted.address:
        assert settings.endpoint == wanted.address
    if wanted.variable is None:
        check_key(settings)
        return
    monkeypatch.delenv(wanted.variable, raising=False)
    said = rf"model 'm' of {re.escape(providers()[name].title)} .*{wanted.variable} is not set"
    with pytest.raises(InputError, match=said):
        check_key(settings)
    monkeypatch.setenv("MINE", KEY)
    assert check_key(ModelSettings(provider=name, name="m", api_key_env="MINE"))


def test_azure_wants_an_address_and_takes_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(InputError, match="AZURE_OPENAI_ENDPOINT"):
        _ = ModelSettings(provider="azure", name="m").endpoint
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com/")
    usual = ModelSettings(provider="azure", name="m").endpoint
    assert usual == (
        "https://mine.openai.azure.com/openai/deployments/{model}?api-version=2024-10-21"
    )
    newer = "https://mine.openai.azure.com/openai/v1"
    assert ModelSettings(provider="azure", name="m", base_url=newer).endpoint == newer
    dialect = {"query": {"api-version": "2025-04-01-preview"}}
    said = ModelSettings(provider="azure", name="m", dialect=dialect).endpoint
    assert said.endswith("?api-version=2025-04-01-preview")
    # On Ray the address is pinned: it must stay what it is.
    assert ModelSettings(provider="azure", name="m", base_url=usual).endpoint == usual
    assert (
        ModelSettings(provider="azure", name="m", base_url=said, dialect=dialect).endpoint == said
    )
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://me:key@mine.openai.azure.com")
    with pytest.raises(InputError, match="of AZURE_OPENAI_ENDPOINT"):
        _ = ModelSettings(provider="azure", name="m").endpoint


def test_what_is_said_goes_before_the_preset() -> None:
    dialect = {"max_completion_tokens": False, "key_header": "X-Key", "temperature": False}
    said = ModelSettings(provider="openai", name="m", temperature=1, dialect=dialect).spoken
    assert said.parameters({"max_tokens": 1, "temperature": 1}) == {"max_tokens": 1}
    assert said.key_header == "X-Key"
    usual = ModelSettings(provider="openrouter", name="m")
    other = ModelSettings(
        provider="openrouter", name="m", extra_body={"provider": {"sort": "price"}}
    )
    assert usual.parameters["extra_body"] == {"provider": {"require_parameters": True}}
    assert other.parameters["extra_body"] == {"provider": {"sort": "price"}}
    assert usual.call(HI).key != other.call(HI).key


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "m", "provider": "antropic"}, "did you mean 'anthropic'"),
        ({"name": "m", "provider": 3}, "provider"),
        ({"name": "m", "provder": "groq"}, "did you mean 'provider'"),
        ({"provider": "groq"}, "name"),
        ({"gguf": "smollm2", "provider": "groq"}, "`provider` is of a service"),
        ({"name": "m", "dialect": {"query": {"api_key": "sk-1"}}}, "variable"),
        ({"name": "m", "dialect": {"query": "a=b"}}, "query"),
        ({"name": "m", "dialect": {"key_header": "x: y"}}, "key_header"),
        ({"name": "m", "dialect": {"max_tokens": True}}, "max_tokens"),
        ({"name": "m", "provider": "groq", "api": "text_to_image"}, "Hugging Face"),
    ],
)
def test_mistakes_are_named(data: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(ModelSettings, Document(data))


def test_the_file_knows_each_name_and_only_parameters_that_are_there() -> None:
    known = providers()
    assert set(known) == set(get_args(ProviderName)) == set(SERVICES)
    for one in known.values():
        assert {*one.refused, *one.rename} <= set(PARAMETERS)
        assert one.base_url or one.address
        assert one.sources


def yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[value]


def test_the_table_of_the_guide_is_the_files() -> None:
    rows = table(
        "docs/guide/models.md",
        "provider", "address", "key", "structured outputs", "logprobs", "flex", "not sent",
    )  # fmt: skip
    found = [
        [
            f"`{name}`",
            f"`{one.base_url or one.address}`",
            f"`{one.key}`" if one.key else "none",
            yes(one.structured),
            yes(one.logprobs),
            yes(one.flex),
            ", ".join(f"`{each}`" for each in one.refused) or "–",
        ]
        for name, one in providers().items()
    ]
    assert rows == found


def notes(model: dict[str, Any], tmp_path: Path, **changes: Any) -> str:
    rows = [{"text": f"row {n}", "label": "ab"[n % 2]} for n in range(60)]
    given = {
        "space": pl.SearchSpace(
            "{{ style }} {{ text }}",
            {"style": pl.Choice({"bare": "Which?", "json": {"response_format": "json_object"}})},
        ),
        "objective": pl.Objective(rows, scorer=pl.exact_match("label")),
        "model": ModelSettings(**model),
        "workspace": tmp_path,
        "track": False,
    }
    return "\n".join(check(Job(**given | changes)).notes)


def test_check_says_what_a_provider_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in ("ANTHROPIC", "GROQ", "OPENAI", "TOGETHER"):
        monkeypatch.setenv(f"{one}_API_KEY", KEY)
    lacking = notes({"name": "m", "provider": "anthropic", "seed": 3}, tmp_path)
    assert "Anthropic does not hold answers to a form" in lacking
    assert "Anthropic takes no `seed`: it is not sent" in lacking
    unsure = notes({"name": "m", "provider": "together"}, tmp_path)
    assert "it is not known whether Together AI holds answers to a form" in unsure
    odd = notes({"name": "m", "provider": "groq", "logprobs": True}, tmp_path)
    assert "Groq takes no `logprobs`: it is not sent" in odd
    tier = notes({"name": "m", "provider": "vllm", "service_tier": "flex"}, tmp_path)
    assert "vLLM knows no `service_tier: flex`" in tier
    assert "form" not in notes({"name": "m", "provider": "openai"}, tmp_path)
