"""promptfoo's providers: the first that is known is the model."""

from typing import Any

from promptlathe.documents import Document, Loc
from promptlathe.exchange.imports.draft import Lost
from promptlathe.exchange.imports.models import settings
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
IGNORED = ("omitDefaults", "temperature_unset")


def read_providers(document: Document, lost: list[Lost]) -> tuple[dict[str, Json], list[str]]:
    """The model as the run file spells it ({} where none is known), and what was carried over."""
    key = "providers" if "providers" in document.data else "targets"
    given: Any = document.data.get(key)
    entries: list[tuple[Loc, Any]] = []
    if isinstance(given, list):
        entries = [((key, n), one) for n, one in enumerate(given)]
    elif given is not None:
        entries = [((key,), given)]
    found: list[dict[str, Json]] = []
    for loc, one in entries:
        where = document.where(loc)
        name, config, at = _entry(one, loc)
        model = _model(name)
        if model is None:
            lost.append(Lost(f"the provider {name!r}: no service that is known here", where))
            continue

        def lose(setting: str, what: str, at: Loc = at) -> None:
            lost.append(Lost(what, document.where((*at, setting))))

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


def _entry(one: Any, loc: Loc) -> tuple[str, dict[str, Any], Loc]:
    """Its name, its settings, and where these stand."""
    if isinstance(one, dict):
        if "id" in one:
            return str(one["id"]), one.get("config") or {}, (*loc, "config")
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
