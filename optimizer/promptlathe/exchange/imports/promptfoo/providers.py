"""promptfoo's providers: the first that is known is the model."""

from collections.abc import Iterator
from typing import Any

from promptlathe.documents import Document, Loc
from promptlathe.exchange.imports.draft import Lost
from promptlathe.exchange.imports.models import settings
from promptlathe.exchange.imports.promptfoo.files import PREFIX, part
from promptlathe.records import Json

PRESETS = {
    "openai": "openai",
    "azure": "azure",
    "azureopenai": "azure",
    "anthropic": "anthropic",
    "google": "gemini",
    "vertex": "gemini",
    "mistral": "mistral",
    "groq": "groq",
    "openrouter": "openrouter",
    "togetherai": "together",
    "huggingface": "huggingface",
    "ollama": "ollama",
    "vllm": "vllm",
    "llama.cpp": "llamacpp",
    "llama": "llamacpp",
}
"""By the word before the first colon."""
KINDS = ("chat", "messages", "completion", "responses", "text-generation", "text2text-generation")
"""Between the service and the model."""
_READABLE = (".yaml", ".yml", ".json")
IGNORED = ("omitDefaults", "temperature_unset")


def read_providers(document: Document, lost: list[Lost]) -> tuple[dict[str, Json], list[str]]:
    """The model as the run file spells it ({} where none is known), and what was carried over."""
    key = "providers" if document.data.get("providers") is not None else "targets"
    entries = list(_entries(document, (key,))) if document.data.get(key) is not None else []
    found: list[dict[str, Json]] = []
    for document, loc in entries:
        where, one = document.where(loc), document.at(*loc).data
        name, config, at = _entry(one, loc)
        model = _model(name)
        if model is None:
            lost.append(Lost(f"the provider {name!r}: no service that is known here", where))
            continue

        def lose(setting: str, what: str, at: Loc = at, document: Document = document) -> None:
            lost.append(Lost(what, document.where((*at, setting))))

        if not isinstance(config, dict):
            lost.append(Lost("settings of a provider that are no mapping", document.where(at)))
            config = {}

        model |= settings(config, lose, IGNORED)
        if "base_url" in model and model.get("provider") == "openai":
            del model["provider"]
        if found:
            lost.append(Lost(f"the provider {name!r}: a run has one model, the first", where))
        else:
            found.append(model)
    if not found:
        return {}, []
    model = found[0]
    return model, [f"the model {model['name']}, with {len(model) - 1} settings"]


def _entries(document: Document, loc: Loc) -> Iterator[tuple[Document, Loc]]:
    """Each provider, and the document that it stands in."""
    here: Any = document.at(*loc).data
    if isinstance(here, list):
        for number in range(len(here)):
            yield from _entries(document, (*loc, number))
    elif isinstance(here, str) and here.startswith(PREFIX) and here.endswith(_READABLE):
        inner = part(document, loc)
        if isinstance(inner.data, list):
            for number in range(len(inner.data)):
                yield inner, (number,)
        else:
            yield inner, ()
    else:
        yield document, loc


def _entry(one: Any, loc: Loc) -> tuple[str, Any, Loc]:
    """Its name, its settings, and where these stand."""
    if isinstance(one, dict):
        if "id" in one:
            config = {} if one.get("config") is None else one["config"]
            return str(one["id"]), config, (*loc, "config")
        if len(one) == 1:  # the name is the key
            name, more = next(iter(one.items()))
            spec: dict[str, Any] = more if isinstance(more, dict) else {}
            return str(spec.get("id", name)), spec.get("config") or {}, (*loc, name, "config")
        return "without an id", {}, loc
    return str(one), {}, loc


def _model(name: str) -> dict[str, Json] | None:
    service, _, rest = name.partition(":")
    kind, _, model = rest.partition(":")
    named = model if kind in KINDS else rest
    preset = PRESETS.get(service.lower())
    if not preset or not named or kind in ("embedding", "embeddings", "image", "realtime"):
        return None
    return {"name": named, "provider": preset}
