"""The operators by name, with the requests that ship for them, and operators of your own.

    def mine(context: OperatorContext) -> str | list[str] | None: ...

A text is a request to the rewriter, whose answer holds new texts between <new> and </new>; a list
are new texts themselves; None: nothing to do now. All pass the guards (guards.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlathe import documents
from promptlathe.documents import Within
from promptlathe.errors import InputError
from promptlathe.scoring.loading import load_function
from promptlathe.search.operators.contract import contract
from promptlathe.search.operators.contrast import contrast
from promptlathe.search.operators.definitions import definitions
from promptlathe.search.operators.format import format
from promptlathe.search.operators.labels import labels
from promptlathe.search.operators.merge import merge
from promptlathe.search.operators.operator_context import COMMON, OperatorContext
from promptlathe.search.operators.rewrite import rewrite
from promptlathe.search.operators.rules import rules
from promptlathe.search.operators.wording import paraphrase, shorten, translate
from promptlathe.space import not_placeholder, placeholders

Operator = Callable[[OperatorContext], "str | Sequence[str] | None"]
DEMOS = "demos"
"""Recruits rows instead of writing texts (recruit.py)."""
FROM_DATA: Mapping[str, Operator] = {
    "contract": contract,
    "labels": labels,
    "definitions": definitions,
}
"""They ask nobody: what the parser, the right answers and the rows of `train` say."""
ASKING: Mapping[str, Operator] = {
    "rewrite": rewrite,
    "contrast": contrast,
    "rules": rules,
    "format": format,
    "paraphrase": paraphrase,
    "shorten": shorten,
    "merge": merge,
    "translate": translate,
}
"""They write a request to the rewriter."""
BUILT_IN: Mapping[str, Operator] = {**FROM_DATA, **ASKING}
WITHOUT_REWRITER = (*FROM_DATA, DEMOS)
"""What works with any model: no text is asked for."""
NAMES = (*BUILT_IN, DEMOS)
USUAL = (*WITHOUT_REWRITER, "rewrite", "contrast", "rules", "format", "shorten", "merge")
"""What is used unless the run file says else."""
REQUESTS = Path("search_spaces") / "operators"
"""Where the requests stand, in a workspace or in what ships."""
_NEW = re.compile(r"<new>(.*?)</new>", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"\A\W*(?:i(?:'m| am) (?:sorry|unable|not able)|i (?:can(?:'|no)t|won't|must decline)|sorry\b"
    r"|as an ai\b|je (?:ne peux|suis désolé))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Portfolio:
    """The operators of a run, and their requests."""

    operators: Mapping[str, Operator]
    requests: Mapping[str, str]
    demos: bool = False
    """Rows are recruited for demos too."""


def load_portfolio(
    names: Sequence[str], workspace: Path, starter: Path, within: Within = None
) -> Portfolio:
    """The operators that a run file names; `file.py:function` is relative to the workspace, and
    lies in the folders `within`.

    A request that stands in the workspace goes before the one that ships; it may use the
    placeholders of every request, and those of the one that it replaces. Raises InputError for an
    unknown name, a function that does not load, and a request that cannot be read or filled in.
    """
    operators: dict[str, Operator] = {}
    for name in names:
        if ".py:" in name:
            operators[name.rpartition(":")[2]] = _guarded(
                load_function(name, workspace, within), name
            )
        elif name in BUILT_IN:
            operators[name] = BUILT_IN[name]
        elif name != DEMOS:
            near = documents.nearest(name, NAMES)
            raise InputError(
                f"there is no operator {name!r}",
                "search.operators",
                f"did you mean {near!r}?"
                if near
                else f"there are: {', '.join(NAMES)}, or file.py:function",
            )
    requests = {name: _request(name, workspace, starter, within) for name in ASKING}
    return Portfolio(operators, requests, DEMOS in names)


def _request(name: str, workspace: Path, starter: Path, within: Within) -> str:
    shipped = documents.read_text(starter / REQUESTS / f"{name}.md")
    own = (workspace / REQUESTS / f"{name}.md").absolute()
    if not documents.is_file(own):
        return shipped
    text = documents.read_text(documents.find(workspace, str(own), within, str(own)))
    for number, line in enumerate(text.splitlines(), start=1):
        known = {*COMMON, *placeholders(shipped)}
        unknown = next((one for one in placeholders(line) if one not in known), None)
        if found := not_placeholder(line) or (unknown and f"{{{{ {unknown} }}}}"):
            raise InputError(
                f"{found} is not filled in: the rewriter would see it as it stands",
                f"{own}:{number}",
                f"there are: {', '.join(f'{{{{ {one} }}}}' for one in sorted(known))}; for braces "
                r"that it shall see write \{{ … }}",
            )
    return text


def _guarded(function: Callable[..., Any], name: str) -> Operator:
    """Its mistakes in words."""

    def operator(context: OperatorContext) -> str | Sequence[str] | None:
        try:
            made = function(context)
        except Exception as error:
            raise InputError(
                f"the operator failed: {type(error).__name__}: {error}", name, "mend the function"
            ) from error
        if made is None or isinstance(made, str):
            return made
        if isinstance(made, list | tuple) and all(isinstance(one, str) for one in made):
            return made
        raise InputError(
            f"the operator returned {documents.describe(made)}",
            name,
            "return a text (a request), a list of texts (new levels) or None",
        )

    return operator


def read_texts(answer: str) -> Sequence[str]:
    """The new texts of a rewriter's answer, between <new> and </new>; [] when it has none."""
    return [text.strip() for text in _NEW.findall(answer)]


def is_refusal(answer: str) -> bool:
    """The rewriter says that it will not do it."""
    return bool(_REFUSAL.match(answer))
