"""Which tool a source is from."""

from pathlib import Path
from typing import Literal

from promptlathe.documents import Document, load
from promptlathe.errors import InputError
from promptlathe.exchange.imports.draft import Draft

Kind = Literal["promptfoo", "prompty", "langfuse", "langsmith"]
KINDS: tuple[Kind, ...] = ("promptfoo", "prompty", "langfuse", "langsmith")
SERVICES: tuple[Kind, ...] = ("langfuse", "langsmith")


def read(source: str, kind: Kind | None = None, *, allow_outside: bool = False) -> Draft:
    """A file, or `langfuse:NAME…`, `langsmith:OWNER/NAME…`.

    allow_outside: files that a configuration names may lie outside of its folder.
    Raises InputError.
    """
    for service in SERVICES:
        if source.startswith(f"{service}:") or kind == service:
            name = source.removeprefix(f"{service}:")
            if kind not in (None, service):
                raise InputError(f"{source} is of {service}", "--from", "leave it out")
            return _of_service(service, name)
    path = Path(source)
    if kind is None:
        kind = _kind(path)
    if kind == "prompty":
        from promptlathe.exchange.imports.prompty import read_prompty

        return read_prompty(path)
    from promptlathe.exchange.imports.promptfoo import read_promptfoo

    return read_promptfoo(_document(path, allow_outside))


def _of_service(service: Kind, name: str) -> Draft:
    if service == "langfuse":
        from promptlathe.exchange.imports.langfuse import read_langfuse

        return read_langfuse(name)
    from promptlathe.exchange.imports.langsmith import read_langsmith

    return read_langsmith(name)


def _kind(path: Path) -> Kind:
    match path.suffix.lower():
        case ".prompty":
            return "prompty"
        case ".yaml" | ".yml" | ".json":
            return "promptfoo"
        case ".js" | ".cjs" | ".mjs" | ".ts":
            raise InputError(
                "is a program, and no program of others is executed here",
                str(path),
                "write the configuration as YAML: promptfoo eval --output results.json holds it "
                "as `config`",
            )
        case ending:
            raise InputError(
                f"what it is cannot be told by its ending {ending!r}",
                str(path),
                f"say it with --from {' or '.join(KINDS[:2])}, or name langfuse:NAME or "
                "langsmith:OWNER/NAME",
            )


def _document(path: Path, allow_outside: bool) -> Document:
    """A configuration, or a file of results that holds one."""
    document = load(path, None if allow_outside else (path.resolve().parent,))
    data = document.data
    if isinstance(data, dict) and "prompts" not in data and isinstance(data.get("config"), dict):
        return document.at("config")
    return document
