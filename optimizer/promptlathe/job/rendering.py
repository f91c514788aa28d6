"""The messages that a prompt sends for a row, the same that were scored: for your application."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from promptlathe.data.corpus import read_corpus
from promptlathe.data.dataset import load_rows
from promptlathe.documents import describe
from promptlathe.errors import InputError
from promptlathe.records import Candidate, Prompt
from promptlathe.results import Finalist, Result
from promptlathe.scoring import Objective
from promptlathe.space import fields_of, request_of, with_sources
from promptlathe.space.corpus import Corpus
from promptlathe.space.fills import NearestRule, RetrieveRule, rules_of

_URI = re.compile(r"prompts:/(?P<name>[^/@]+)(?:@(?P<alias>.+)|/(?P<version>\d+))")
Rows = Objective | str | Path | Iterable[Mapping[str, Any]]
"""The rows that demos come from: an objective (its `train`), a file of it, or of the rows; or the
rows themselves. Of passages that are searched: the corpus' file."""


def render(
    prompt: Result | Finalist | Candidate | Prompt | str,
    row: Mapping[str, Any],
    *,
    pool: Rows | Mapping[str, Rows] | None = None,
) -> list[dict[str, Any]]:
    """The messages of one prompt for a row, as OpenAI-compatible services take them: byte for byte
    those that a run sends and scores.

    prompt: of a result (its recommended one), a finalist or a candidate with one prompt, a prompt
        out of several, or one in MLflow's registry, `prompts:/name@champion` or `prompts:/name/3`.
    pool: what nearest demos and searched passages are taken from, where the prompt does not bring
        it along: `Rows`, or a mapping of such by placeholder.

    Raises InputError for a row that lacks a field, and for a pool that is missing, or is not the
    one that the prompt was scored with.
    """
    found = _registered(prompt) if isinstance(prompt, str) else _of(prompt)
    if pool is not None:
        found = _with_pools(found, pool)
    if lost := sorted(fields_of(found) - row.keys()):
        raise InputError(
            f"the row lacks what the prompt shows: {', '.join(lost)}", "row", "give it these fields"
        )
    return [message.to_dict() for message in request_of(found, row).messages]


def _of(given: Any) -> Prompt:
    if isinstance(given, Prompt):
        return given
    given = given.chosen if isinstance(given, Result) else given
    if not isinstance(given, Finalist | Candidate):
        raise InputError(f"a prompt is expected, found {describe(given)}", "prompt")
    if len(given.prompts) > 1:
        names = ", ".join(given.prompts)
        raise InputError(f"there are several prompts: {names}", "prompt", "give one of `.prompts`")
    return next(iter(given.prompts.values()))


def _registered(uri: str) -> Prompt:
    """From the registry that MLflow is set to (`MLFLOW_TRACKING_URI`)."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise InputError(
            f"{uri!r} names no registered prompt",
            "prompt",
            "write prompts:/NAME@champion, or prompts:/NAME/VERSION",
        )
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from promptlathe.track.registry import read

    client, name = MlflowClient(), match["name"]
    try:
        if match["alias"]:
            version = client.get_prompt_version_by_alias(name, match["alias"])
        else:
            version = client.get_prompt_version(name, match["version"])
    except MlflowException as error:
        version, why = None, f": {error.message.splitlines()[0]}"
    else:
        why = ""
    if version is None:
        raise InputError(
            f"MLflow has no {uri}{why}",
            "prompt",
            "check the name, and mlflow.set_tracking_uri or MLFLOW_TRACKING_URI",
        )
    return read(version)


def _with_pools(prompt: Prompt, pool: Any) -> Prompt:
    """The prompt with what its rules take from. Raises InputError."""
    for name, rule in rules_of(prompt).items():
        given = pool.get(name) if isinstance(pool, Mapping) else pool
        one = Prompt((), fills=((name, dict(prompt.fills)[name]),))
        if isinstance(rule, NearestRule) and given is not None:
            one = with_sources(one, _rows(given, rule.inputs), ())
        elif isinstance(rule, RetrieveRule) and given is not None:
            one = with_sources(one, None, [_corpus(given, rule.field)])
        prompt = prompt.with_sources({**prompt.sources, **one.sources})
    return prompt


def _rows(given: Any, inputs: tuple[str, ...] | None) -> list[Mapping[str, Any]]:
    if isinstance(given, str | Path) and Path(given).suffix in (".yaml", ".yml"):
        given = Objective.load(given)
    if isinstance(given, Objective):
        objective = given if inputs is None else given.showing(frozenset(inputs))
        return [example.row for example in objective.examples("train")]
    if isinstance(given, str | Path):
        return [row.values for row in load_rows(str(given), Path.cwd())]
    if isinstance(given, Iterable):
        rows = list(cast("Iterable[Any]", given))
        if all(isinstance(row, Mapping) for row in rows):
            return [row.values for row in load_rows([dict(row) for row in rows], Path.cwd())]
    raise InputError(
        f"a pool of demos is rows, found {describe(given)}",
        "pool",
        "give the objective, its file, a file of the rows, or a list of them",
    )


def _corpus(given: Any, field: str) -> Corpus:
    if isinstance(given, Corpus):
        return given
    if isinstance(given, str | Path):
        return read_corpus(str(given), field)
    raise InputError(f"a corpus is a file, found {describe(given)}", "pool", "give its path")
