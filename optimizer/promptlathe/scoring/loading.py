"""Functions of yours, loaded by path: `file.py:function`.

The file is loaded by its path, so it imports installed packages but no files beside it.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from promptlathe.documents import Within, find, nearest, read_text
from promptlathe.errors import InputError
from promptlathe.records import content_hash

EXTRAS = {
    "dspy": "dspy",
    "langchain_core": "langchain",
    "langchain_openai": "langchain",
    "llama_index": "llama-index",
}
"""What brings the packages that such files import."""


def load_function(path: str, folder: Path, within: Within = None) -> Callable[..., Any]:
    """The function that `file.py:function` names, the file being relative to `folder` and not
    outside of `within`. The file is executed.

    Raises `InputError` for a file that is missing or does not load, and for a function that it
    does not have, listing those that it has.
    """
    place, module, found = _find(path, folder, within)
    if callable(found):
        return found
    name = path.rpartition(":")[2]
    has = [key for key, value in vars(module).items() if _is_public(key, value, module)]
    listed = f"its functions: {', '.join(has)}" if has else "it has no functions"
    if found is not None:
        raise InputError(f"{name!r} is not a function", str(place), listed)
    near = nearest(name, has)
    hint = f"; did you mean {near!r}?" if near else ""
    raise InputError(f"has no function {name!r}{hint}", str(place), listed)


def load_object(path: str, folder: Path, within: Within = None) -> Any:
    """What `file.py:name` names, whatever it is; else as `load_function`."""
    place, module, found = _find(path, folder, within)
    if found is not None:
        return found
    name = path.rpartition(":")[2]
    near = nearest(name, [key for key in vars(module) if not key.startswith("_")])
    fix = f"did you mean {near!r}?" if near else "set it there, at the top level"
    raise InputError(f"has no {name!r}", str(place), fix)


def _find(path: str, folder: Path, within: Within) -> tuple[Path, ModuleType, Any]:
    file, name = split_path(path)
    place = find(folder, file, within, path)
    module = _load(place)
    return place, module, getattr(module, name, None)


def split_path(path: str) -> tuple[str, str]:
    """(file, function). Raises `InputError` for a text that names no function."""
    file, colon, name = path.rpartition(":")
    if not (colon and file.endswith(".py") and name.isidentifier()):
        raise InputError(f"{path!r} names no function", "scorers", "write file.py:function")
    return file, name


def _is_public(name: str, value: Any, module: ModuleType) -> bool:
    own = inspect.isfunction(value) and value.__module__ == module.__name__
    return own and not name.startswith("_")


def _load(place: Path) -> ModuleType:
    text = read_text(place)
    name = f"promptlathe_metric_{content_hash([str(place.resolve()), text])}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, place)
    assert spec is not None  # the file's name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up there
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        raise InputError(
            f"is not Python: {error.msg}", f"{place}:{error.lineno}", "mend the line"
        ) from error
    except ModuleNotFoundError as error:
        del sys.modules[name]
        package = str(error.name).partition(".")[0]
        extra = EXTRAS.get(package)
        raise InputError(
            f"does not load: {said(error)}",
            _line_in(place, error),
            f"pip install 'promptlathe[{extra}]'"
            if extra
            else f"install {package}, or mend the line",
        ) from error
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(
            f"does not load: {said(error)}",
            _line_in(place, error),
            "mend the line, or put it into a function that only a script calls",
        ) from error
    return module


def said(error: BaseException) -> str:
    """An exception in one line: its kind and its words."""
    return f"{type(error).__name__}: {error}"


def _line_in(place: Path, error: BaseException) -> str:
    file = str(place.absolute())
    lines = [f.lineno for f in extract_tb(error.__traceback__) if f.filename == file]
    return f"{place}:{lines[-1]}" if lines else str(place)
