"""Typed, closed YAML: files to plain data with line numbers, and to pydantic models.

    text ── reading ──→ Document (data + lines) ── set_value ──→ Document ── parse ──→ model

Every mistake in a file becomes one `InputError` that names file, line and field. `secrets` keeps
passwords and keys out of whatever is said of an address.
"""

from promptlathe.documents.document import Document, Loc, load, set_value
from promptlathe.documents.files import DATASET_BYTES, Within, check_file, find, is_file, read_bytes
from promptlathe.documents.models import Model, json_schema, parse
from promptlathe.documents.reading import read_text
from promptlathe.documents.secrets import HIDDEN, hiding, secrets_of, shown_url
from promptlathe.documents.wording import describe, nearest
from promptlathe.documents.writing import to_yaml

__all__ = [
    "DATASET_BYTES",
    "HIDDEN",
    "Document",
    "Loc",
    "Model",
    "Within",
    "check_file",
    "describe",
    "find",
    "hiding",
    "is_file",
    "json_schema",
    "load",
    "nearest",
    "parse",
    "read_bytes",
    "read_text",
    "secrets_of",
    "set_value",
    "shown_url",
    "to_yaml",
]
