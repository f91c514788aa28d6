"""Prompts of LangSmith, by its own client. What it keeps is read as data: it makes no object."""

import os
from typing import Any

from promptlathe.documents import hiding
from promptlathe.errors import InputError, MissingExtra
from promptlathe.exchange.imports.draft import Draft, Lost, Names, message
from promptlathe.exchange.imports.models import settings
from promptlathe.exchange.imports.services import place_in, service_draft
from promptlathe.exchange.imports.templates import Place, Reading
from promptlathe.records import Json, Message

ROLES = {"System": "system", "Human": "user", "AI": "assistant"}
MODELS = {
    "ChatOpenAI": "openai",
    "AzureChatOpenAI": "azure",
    "ChatAnthropic": "anthropic",
    "ChatGroq": "groq",
    "ChatMistralAI": "mistral",
    "ChatGoogleGenerativeAI": "gemini",
}
FIX = "set LANGSMITH_API_KEY, and LANGSMITH_ENDPOINT for a service of your own"
SECONDS = 20_000
"""Milliseconds."""


def read_langsmith(named: str) -> Draft:
    """`NAME`, `OWNER/NAME`, each with `:COMMIT`.

    Raises InputError for a name that is not there, and for a service that does not answer.
    """
    manifest, commit = _fetched(named)
    where = f"langsmith:{named.partition(':')[0]}:{commit[:8]}"
    reading = Reading(Names())
    lost: list[Lost] = []
    prompt, model = _parts(manifest)
    if prompt is None:
        raise InputError(
            "holds no prompt that can be read", where, "a prompt template, or a chat template"
        )
    messages = _messages(prompt, reading, lost, where)
    name = named.partition(":")[0].rpartition("/")[2]
    return service_draft(name, where, messages, _model(model, lost, where), reading, lost)


def _class(node: Any) -> str:
    return str(node["id"][-1]) if isinstance(node, dict) and node.get("id") else ""


def _parts(node: Any) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The template, and the model behind it where there is one."""
    kwargs: dict[str, Any] = node.get("kwargs", {}) if isinstance(node, dict) else {}
    match _class(node):
        case "RunnableSequence":
            return _parts(kwargs.get("first"))[0], _bare(kwargs.get("last"))
        case "ChatPromptTemplate" | "StructuredPrompt" | "PromptTemplate":
            return node, None
        case _:
            return None, None


def _bare(node: Any) -> dict[str, Any] | None:
    """A model, out of what binds parameters to it."""
    while _class(node) == "RunnableBinding":
        node = node.get("kwargs", {}).get("bound")
    return node if isinstance(node, dict) else None


def _messages(
    prompt: dict[str, Any], reading: Reading, lost: list[Lost], where: str
) -> list[Message]:
    kwargs: dict[str, Any] = prompt.get("kwargs", {})
    if _class(prompt) == "PromptTemplate":
        return [message("user", _text(prompt, reading, place_in(where, 1)))]
    if _class(prompt) == "StructuredPrompt" and kwargs.get("schema_"):
        lost.append(Lost("the schema of the answer: write it as response_format", where))
    found: list[Message] = []
    for number, one in enumerate(kwargs.get("messages", ()), 1):
        place = place_in(where, number)
        name = _class(one)
        inner: dict[str, Any] = one.get("kwargs", {}) if isinstance(one, dict) else {}
        role = ROLES.get(name.removesuffix("MessagePromptTemplate").removesuffix("Message"))
        if name == "ChatMessagePromptTemplate":
            role = str(inner.get("role", "user"))
        if role not in ("system", "developer", "user", "assistant"):
            lost.append(Lost(f"a message of the kind {name or 'unknown'}", place(1, "")))
        elif name.endswith("MessagePromptTemplate") and isinstance(inner.get("prompt"), dict):
            found.append(message(role, _text(inner["prompt"], reading, place)))
        elif isinstance(inner.get("content"), str):
            found.append(message(role, reading.fstring(_escaped(inner["content"]), place)))
        else:
            lost.append(Lost("a message with parts (pictures)", place(1, "")))
    return found


def _escaped(text: str) -> str:
    """A message, which is no template."""
    return text.replace("{", "{{").replace("}", "}}")


def _text(template: dict[str, Any], reading: Reading, place: Place) -> str:
    kwargs: dict[str, Any] = template.get("kwargs", {})
    text = str(kwargs.get("template", ""))
    match kwargs.get("template_format", "f-string"):
        case "mustache":
            return reading.mustache(text, place)
        case "jinja2":
            return reading.jinja(text, place)
        case _:
            return reading.fstring(text, place)


def _model(node: dict[str, Any] | None, lost: list[Lost], where: str) -> dict[str, Json]:
    if node is None:
        return {}
    kwargs: dict[str, Any] = node.get("kwargs", {})
    name = kwargs.get("model") or kwargs.get("model_name")
    preset = MODELS.get(_class(node))
    if not name or not preset:
        lost.append(Lost(f"the model {_class(node)}: no service that is known here", where))
        return {}

    def lose(key: str, what: str) -> None:
        lost.append(Lost(what, f"{where}, model"))

    plain = {
        key: value
        for key, value in kwargs.items()
        if key not in ("model", "model_name") and not _class(value) and value not in ({}, [])
    }
    found = settings(plain, lose)
    return {"name": str(name), **({} if "base_url" in found else {"provider": preset}), **found}


def _fetched(named: str) -> tuple[Any, str]:
    """What it keeps, and of which commit."""
    try:
        from langsmith import Client
    except ImportError as error:
        raise MissingExtra(
            error.name or "langsmith", "langsmith", "importing from LangSmith"
        ) from None
    where = f"langsmith:{named}"
    key = os.environ.get("LANGSMITH_API_KEY") or os.environ.get("LANGCHAIN_API_KEY")
    if not key:
        raise InputError("LANGSMITH_API_KEY is not set", where, FIX)
    try:
        client = Client(timeout_ms=SECONDS, auto_batch_tracing=False)
        # Read as data only, so that nothing in it can be executed.
        found = client.pull_prompt_commit(
            named, include_model=True, skip_cache=True, dangerously_pull_public_prompt=True
        )
    except Exception as error:  # noqa: BLE001 - its client raises what requests and others do
        raise _said(error, where, key) from None
    return found.manifest, found.commit_hash


def _said(error: Exception, where: str, key: str) -> InputError:
    kind = type(error).__name__
    shown = hiding(key)(str(error) or kind).splitlines()[0][:200]
    if kind == "LangSmithAuthError" or "401" in shown or "403" in shown:
        return InputError("LangSmith refuses the key", where, FIX)
    if kind == "LangSmithNotFoundError" or "404" in shown:
        return InputError(
            "LangSmith has no such prompt, or no such commit",
            where,
            "write langsmith:OWNER/NAME or langsmith:OWNER/NAME:COMMIT",
        )
    return InputError(f"LangSmith cannot be asked: {shown}", where, FIX)
