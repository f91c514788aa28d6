"""Scorers of your own: `metric.py:function`, a path relative to the objective's file.

    def brevity(row: dict, answer: str) -> float | bool | dict[str, float] | None:
        return 1 / (1 + len(answer) / 100)

`row` is a copy of the example's row, `answer` the model's text without the whitespace around it.
A number or a truth value is the score; a dict gives several scores, each under its own name;
None says that the answer cannot be read, which scores 0 and is counted apart. NaN and infinity
are refused. Higher is better, or the goal says `minimize`. The file is loaded by its path, so it
imports installed packages but no files beside it.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any

from promptlathe.documents import nearest, read_text
from promptlathe.errors import InputError
from promptlathe.records import Example, content_hash
from promptlathe.scoring.scorer import NAME, UNREAD, Measure, Reading, Scorer, Surroundings

Metric = Callable[[dict[str, Any], str], Any]


class Function(Scorer):
    """A function in a file: `path` is `file.py:function`."""

    keyword = "function"
    path: str

    def measure(self, around: Surroundings) -> Measure:
        return _guarded(load_function(self.path, around.folder), self.path)

    def fingerprint(self, around: Surroundings) -> Any:
        return [self.path, content_hash(read_text(around.folder / _split(self.path)[0]))]

    def entry(self) -> Any:
        if self.name == _split(self.path)[1]:
            return self.path
        return {self.keyword: {"path": self.path, "name": self.name}}


class PythonFunction(Scorer):
    """A function given in Python. It has no YAML form."""

    keyword = "function"
    function: Callable[..., Any]

    def measure(self, around: Surroundings) -> Measure:
        return _guarded(self.function, self.name)

    def fingerprint(self, around: Surroundings) -> Any:
        try:
            return inspect.getsource(self.function)
        except (OSError, TypeError):
            return repr(self.function)

    def entry(self) -> Any:
        raise InputError(
            f"the scorer {self.name!r} is a Python function, which YAML cannot hold",
            "scorers",
            "put it into a file and name it: metric.py:function",
        )


def function(path: str | Metric, *, name: str | None = None) -> Scorer:
    """Your own scorer: `file.py:function`, or a function `f(row, answer)` itself."""
    if callable(path):
        own = str(getattr(path, "__name__", ""))
        own = own if re.match(NAME, own) else "function"  # a lambda, a callable object
        return PythonFunction(name=name or own, function=path)
    return Function(path=path, name=name or _split(path)[1])


def load_function(path: str, folder: Path) -> Metric:
    """The function that `file.py:function` names, the file being relative to `folder`.

    Raises `InputError` for a file that is missing or does not load, and for a function that it
    does not have, listing those that it has.
    """
    file, name = _split(path)
    place = folder / file
    module = _load(place)
    found = getattr(module, name, None)
    if callable(found):
        return found
    has = [key for key, value in vars(module).items() if _is_public(key, value, module)]
    listed = f"its functions: {', '.join(has)}" if has else "it has no functions"
    if found is not None:
        raise InputError(f"{name!r} is not a function", str(place), listed)
    near = nearest(name, has)
    hint = f"; did you mean {near!r}?" if near else ""
    raise InputError(f"has no function {name!r}{hint}", str(place), listed)


def _split(path: str) -> tuple[str, str]:
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
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(
            f"does not load: {_said(error)}",
            _line_in(place, error),
            "mend the line, or put it into a function that only a script calls",
        ) from error
    return module


def _guarded(metric: Metric, label: str) -> Measure:
    try:
        inspect.signature(metric).bind({}, "")
    except ValueError:  # some built-in functions do not tell
        pass
    except TypeError as error:
        raise InputError(
            f"the metric cannot be called with a row and an answer: {error}",
            label,
            "write it as  def metric(row, answer):",
        ) from None

    def score(example: Example, text: str) -> Reading:
        answer = text.strip()
        try:
            result = metric(dict(example.row), answer)
        except Exception as error:
            raise InputError(
                f"the metric failed on example {example.id}: {_said(error)}",
                label,
                "mend the function, or return None for an answer that it cannot read",
            ) from error
        if result is None:
            return UNREAD
        if isinstance(result, Mapping):
            scores = {_score_name(k, label): _number(v, example, label) for k, v in result.items()}
            return Reading(scores, answer)
        return Reading(_number(result, example, label), answer)

    return score


def _number(value: Any, example: Example, label: str) -> float:
    item = getattr(value, "item", None)  # numpy's and torch's scalars
    value = item() if callable(item) else value
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    raise InputError(
        f"the metric gave {value!r} on example {example.id}",
        label,
        "return a finite number, True or False, a dict of numbers by name, or None",
    )


def _score_name(name: Any, label: str) -> str:
    if isinstance(name, str) and re.match(NAME, name):
        return name
    raise InputError(f"the metric gave a score the name {name!r}", label, "use letters, digits, _")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _line_in(place: Path, error: BaseException) -> str:
    file = str(place.absolute())
    lines = [f.lineno for f in extract_tb(error.__traceback__) if f.filename == file]
    return f"{place}:{lines[-1]}" if lines else str(place)
