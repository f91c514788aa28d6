"""The prompt registry: a promoted prompt in, the registered champion out.

MLflow's `register_prompt` and `link_prompt_version_to_run` also write to the *active*
experiment and store, whichever these are; the calls used here write only where they are told.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from promptlathe.errors import InputError
from promptlathe.records import Example, Message, Prompt
from promptlathe.space.template import STATEMENT, render
from promptlathe.track.backend import Backend
from promptlathe.track.records import About, Conclusion, RegisteredPrompt
from promptlathe.track.store import ALIAS

RUN_IDS = "mlflow.prompt.run_ids"
"""Version tag that the prompt's page reads."""
LINKED_PROMPTS = "mlflow.linkedPrompts"
"""Run tag that the run's page reads."""
EXPERIMENT_IDS = "_mlflow_experiment_ids"
"""Prompt tag by which an experiment's page finds its prompts."""
PARAMETERS = "promptlathe.parameters"
RUN_ID = "promptlathe.run_id"
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}
"""A missing alias is an invalid parameter to a database, and not found to a server."""


def champion(backend: Backend, name: str) -> RegisteredPrompt | None:
    """The version with the alias `champion`, or None when there is none."""
    from mlflow.exceptions import MlflowException

    try:
        version: Any = backend.client.get_prompt_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if "registered as a model" in str(error):
            raise InputError(
                f"{name!r} is a registered model in MLflow, so no prompt can have that name",
                None,
                "name the prompt otherwise with track.prompt",
            ) from error
        if error.error_code in _MISSING:
            return None
        raise
    if version is None:
        return None
    return RegisteredPrompt(name, int(version.version), read(version), version.tags.get(RUN_ID))


def read(version: Any) -> Prompt:
    """An MLflow `PromptVersion` as a prompt; a text prompt is one message of the user."""
    template: str | list[dict[str, Any]] = version.template
    if isinstance(template, str):
        template = [{"role": "user", "content": template}]
    if PARAMETERS in version.tags:
        parameters = json.loads(version.tags[PARAMETERS])
    else:
        parameters = dict(version.model_config or {})
        for key in ("provider", "model_name"):
            parameters.pop(key, None)
    return Prompt(
        tuple(Message(m["role"], m["content"]) for m in template),
        tuple(sorted(parameters.items())),
    )


def is_program(prompt: Prompt) -> bool:
    """True when MLflow would run the text as a Jinja program instead of filling it in."""
    return any(STATEMENT.search(message.content) for message in prompt.messages)


def register(
    backend: Backend, about: About, conclusion: Conclusion, *, run_id: str, experiment: str
) -> RegisteredPrompt:
    """A new version of the prompt, linked both ways with its run, and the alias on it."""
    best = conclusion.best
    _ensure_prompt(backend, about.prompt, experiment)
    message = commit_message(conclusion)
    parameters = {**about.parameters, **dict(best.parameters)}
    version: Any = backend.client.create_prompt_version(
        about.prompt,
        [m.to_dict() for m in best.messages],
        description=message,
        tags=_tags(conclusion, run_id),
        model_config={"model_name": parameters.pop("name", about.model), **parameters},
    )
    number = int(version.version)
    entry = json.dumps([{"name": about.prompt, "version": str(number)}])
    backend.client.set_tag(run_id, LINKED_PROMPTS, entry)
    backend.client.set_prompt_alias(about.prompt, ALIAS, number)
    return RegisteredPrompt(about.prompt, number, best, run_id)


def commit_message(conclusion: Conclusion) -> str:
    """One line: the prompts' list shows nothing else of a score."""
    against = conclusion.comparison
    if against is None:
        return "not compared on held-out rows"
    return (
        f"{against.challenger:.2f} on {against.examples} held-out rows "
        f"({against.gain:+.2f}, 95 % interval {against.low:+.2f} to {against.high:+.2f} "
        "over the seed)"
    )


def unfaithful(version: Any, prompt: Prompt, examples: Iterable[Example]) -> str | None:
    """The first example that MLflow would format to other messages than were scored."""
    from mlflow.exceptions import MlflowException

    for example in examples:
        ours = [m.to_dict() for m in render(prompt, example.row)]
        try:
            same = version.format(**example.row) == ours
        except (MlflowException, TypeError, re.error):  # a field's name is used as a pattern
            same = False
        if not same:
            return example.id
    return None


def check_faithful(
    backend: Backend, registered: RegisteredPrompt, examples: Iterable[Example]
) -> str | None:
    """A warning when `load_prompt(…).format(**row)` differs from what was scored.

    MLflow substitutes field after field, so a row that holds `{{ name }}` itself is filled
    again there; ours is one pass.
    """
    version = backend.client.get_prompt_version(registered.name, registered.version)
    example = unfaithful(version, registered.prompt, examples)
    return example and (
        f"MLflow formats {registered.uri} for example {example} to other messages than were "
        "scored: its data looks like a placeholder"
    )


def _ensure_prompt(backend: Backend, name: str, experiment: str) -> None:
    prompt = backend.client.get_prompt(name)
    if prompt is None:
        backend.client.create_prompt(name, tags={EXPERIMENT_IDS: f",{experiment},"})
        return
    known = [e for e in prompt.tags.get(EXPERIMENT_IDS, "").split(",") if e]
    if experiment not in known:
        listed = ",".join([*known, experiment])
        backend.client.set_prompt_tag(name, EXPERIMENT_IDS, f",{listed},")


def _tags(conclusion: Conclusion, run_id: str) -> dict[str, str]:
    tags = {
        RUN_IDS: run_id,
        RUN_ID: run_id,
        PARAMETERS: json.dumps(dict(conclusion.best.parameters)),
        "candidate": conclusion.best.id,
        "verdict": conclusion.verdict or "not compared",
    }
    if against := conclusion.comparison:
        tags |= {
            "score": f"{against.challenger:.4f}",
            "seed_score": f"{against.baseline:.4f}",
            "gain": f"{against.gain:+.4f}",
            "interval": f"{against.low:+.4f} to {against.high:+.4f}",
            "n": str(against.examples),
        }
    if over := conclusion.champion:
        tags["gain_over_champion"] = f"{over.gain:+.4f}"
    return tags
