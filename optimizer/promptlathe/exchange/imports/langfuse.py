"""Prompts of Langfuse, by its own client."""

import logging
import os
import re
from typing import Any

from promptlathe.documents import hiding
from promptlathe.errors import InputError, MissingExtra
from promptlathe.exchange.imports.draft import Draft, Lost, Names, message
from promptlathe.exchange.imports.models import settings
from promptlathe.exchange.imports.services import place_in, service_draft
from promptlathe.exchange.imports.templates import Reading
from promptlathe.records import Json, Message

KEYS = ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")
SECONDS = 20
_NAME = re.compile(r"(?P<name>.+?)(?:@(?P<label>[^@/]+)|/(?P<version>\d+))?")
FIX = "set LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY and LANGFUSE_HOST"


def read_langfuse(named: str) -> Draft:
    """`NAME`, `NAME@LABEL` or `NAME/VERSION`; without both the label `production`.

    Raises InputError for a name that is not there, and for a service that does not answer.
    """
    match = _NAME.fullmatch(named)
    if match is None:
        raise InputError(
            "names no prompt of Langfuse", "langfuse:", "write langfuse:NAME, or NAME@LABEL"
        )
    found = _fetched(match["name"], match["label"], match["version"])
    where = f"langfuse:{found.name}/{found.version}"
    reading = Reading(Names())
    messages: list[Message] = []
    lost: list[Lost] = []
    if isinstance(found.prompt, str):
        messages.append(message("user", reading.mustache(found.prompt, place_in(where, None))))
    else:
        for number, one in enumerate(found.prompt, 1):
            if getattr(one, "type", None) == "placeholder" or not hasattr(one, "content"):
                name = getattr(one, "name", "?")
                lost.append(
                    Lost(f"the placeholder of messages {name!r}", f"{where}, message {number}")
                )
                continue
            text = reading.mustache(one.content, place_in(where, number))
            messages.append(message(one.role, text))
    config: Any = found.config if isinstance(found.config, dict) else {}
    model = _model(config, lost, where)
    return service_draft(found.name, where, messages, model, reading, lost)


def _model(config: dict[str, Any], lost: list[Lost], where: str) -> dict[str, Json]:
    def lose(key: str, what: str) -> None:
        lost.append(Lost(what, f"{where}, config"))

    name = config.get("model") or config.get("model_name")
    rest = {k: v for k, v in config.items() if k not in ("model", "model_name", "provider")}
    found = settings(rest, lose)
    if not name:
        return {}
    return {"name": str(name), **found}


def _fetched(name: str, label: str | None, version: str | None) -> Any:
    try:
        from langfuse.api import LangfuseAPI
    except ImportError as error:
        raise MissingExtra(
            error.name or "langfuse", "langfuse", "importing from Langfuse"
        ) from None
    if lacking := [key for key in KEYS if not os.environ.get(key)]:
        raise InputError(f"{lacking[0]} is not set", f"langfuse:{name}", FIX)
    host = os.environ.get("LANGFUSE_BASE_URL") or os.environ.get("LANGFUSE_HOST")
    logging.getLogger("langfuse").setLevel(logging.CRITICAL)
    client = LangfuseAPI(
        base_url=host or "https://cloud.langfuse.com",
        username=os.environ[KEYS[0]],
        password=os.environ[KEYS[1]],
        timeout=SECONDS,
    )
    try:
        return client.prompts.get(name, label=label, version=int(version) if version else None)
    except Exception as error:  # noqa: BLE001 - its client raises what httpx and others do
        raise _said(error, f"langfuse:{name}") from None


def _said(error: Exception, where: str) -> InputError:
    """What a service's client raised."""
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return InputError("Langfuse refuses the keys", where, FIX)
    if status == 404:
        return InputError(
            "Langfuse has no such prompt, or none with this label or version",
            where,
            "write langfuse:NAME@LABEL or langfuse:NAME/VERSION; without both the label is "
            "production",
        )
    shown = hiding(*(os.environ.get(key, "") for key in KEYS))(str(error) or type(error).__name__)
    return InputError(f"Langfuse cannot be asked: {shown.splitlines()[0][:200]}", where, FIX)
