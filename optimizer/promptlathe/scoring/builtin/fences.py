"""The code that an answer gives: of its fenced blocks the one that counts, or the whole answer."""

from __future__ import annotations

import ast
import re
from textwrap import dedent

from promptlathe.scoring.reading.reasoning import visible

_BLOCK = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<tongue>[\w+.#-]*)[^\n]*\n(?P<code>.*?)"
    r"(?P<end>^[ \t]*(?P=fence)[ \t]*$|\Z)",
    re.MULTILINE | re.DOTALL,
)
_PYTHON = ("", "python", "python3", "py", "python-repl")
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


def python_code(text: str) -> str | None:
    """The Python in an answer: the last fenced block that defines something, else the last one that
    is marked as Python or not at all; without any fence the whole answer, if it is code.

    None when there is none, and when the block was cut off.
    """
    shown = visible(text)
    if shown is None:
        return None
    blocks = list(_BLOCK.finditer(shown.replace("\r\n", "\n")))
    if not blocks:
        return shown if _defines(shown) else None
    if not blocks[-1]["end"]:
        return None
    found = [dedent(one["code"]) for one in blocks if one["tongue"].lower() in _PYTHON]
    defining = [code for code in found if re.search(r"^\s*(?:async\s+def|def|class)\s", code, re.M)]
    return next(iter([*reversed(defining), *reversed(found)]), None)


def _defines(text: str) -> bool:
    try:
        return any(isinstance(one, _DEFINES) for one in ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
