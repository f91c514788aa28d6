"""The prompt registry: the registered champion out, and what its versions say.

Each prompt of a space has a name of its own here. Those that were promoted together are a set: all
have the alias, and each version has a tag with the run and the versions of the whole set.

A template is what MLflow can fill in: a role and one text for each message, where a picture stands
as its address on a line of its own. What that cannot hold (parts, tool calls) is kept as it is in
a tag, from which the champion is read. Where the turns of a row go, a message with the role
`conversation` names their field. Tools stand in the version's model configuration.

MLflow's `register_prompt` and `link_prompt_version_to_run` also write to the *active*
experiment and store, whichever these are; the calls used here write only where they are told.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from promptlathe.errors import InputError
from promptlathe.records import Content, Example, Image, Message, Prompt
from promptlathe.space.fills import filled
from promptlathe.space.rendering import fields_of, render
from promptlathe.space.template import CONVERSATION, DEMOS, STATEMENT
from promptlathe.track.artifacts import plain
from promptlathe.track.backend import Backend
from promptlathe.track.records import Champion, RegisteredPrompt
from promptlathe.track.store import ALIAS

RUN_IDS = "mlflow.prompt.run_ids"
"""Version tag that the prompt's page reads, and the run's."""
EXPERIMENT_IDS = "_mlflow_experiment_ids"
"""Prompt tag by which an experiment's page finds its prompts."""
PARAMETERS = "promptlathe.parameters"
MESSAGES = "promptlathe.messages"
"""Version tag: the messages as they are, when the template is not the same."""
FILLS = "promptlathe.fills"
"""Version tag: the rules by which placeholders are filled in for each row, as JSON by placeholder;
what they take from is known by its hash only."""
TOOL_KEYS = "promptlathe.tool_keys"
"""Version tag: the keys of the tools whose name is not the key."""
SET = "promptlathe.set"
"""Version tag: the run, and the versions that were promoted together, by registry name."""
FORMAT = "response_format"
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}
"""A missing alias is an invalid parameter to a database, and not found to a server."""


def champion(backend: Backend, names: Mapping[str, str]) -> Champion:
    """The versions with the alias `champion`; `names` maps the space's names to the registry's."""
    found = {name: version for name in names if (version := with_alias(backend, names[name]))}
    aliased = {version.name: int(version.version) for version in found.values()}
    if not found:
        return Champion()
    if lacking := [names[name] for name in names if name not in found]:
        lack = f"{_listed(lacking)} have no version {ALIAS!r}"
        return Champion({}, f"no champion is compared with: {lack}", aliased)
    sets = {json.dumps(_set(version)) for version in found.values()}
    recorded = _set(next(iter(found.values())))
    if len(sets) > 1 or (recorded and recorded["versions"] != aliased):
        apart = f"{versions_listed(aliased)} were not registered together"
        return Champion({}, f"no champion is compared with: {apart}", aliased)
    run_id: str | None = recorded["run"] if recorded else None
    prompts = {
        name: RegisteredPrompt(names[name], int(version.version), read(version), run_id)
        for name, version in found.items()
    }
    if programs := [one.uri for one in prompts.values() if is_program(one.prompt)]:
        program = f"{_listed(programs)} is a Jinja program: it is not compared with"
        return Champion({}, program, aliased)
    return Champion(prompts, "", aliased)


def with_alias(backend: Backend, name: str, alias: str = ALIAS) -> Any:
    """The version that has it, or None. Raises InputError for the name of a model."""
    from mlflow.exceptions import MlflowException

    try:
        return backend.client.get_prompt_version_by_alias(name, alias)
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


def _set(version: Any) -> dict[str, Any] | None:
    """What the tag says; None of a version that somebody else registered."""
    return json.loads(version.tags[SET]) if SET in version.tags else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def versions_listed(versions: Mapping[str, int]) -> str:
    """`name/3, other/2`."""
    return _listed(f"{name}/{number}" for name, number in versions.items())


def read(version: Any) -> Prompt:
    """An MLflow `PromptVersion` as a prompt; a text prompt is one message of the user."""
    template: str | list[dict[str, Any]] = version.template
    if isinstance(template, str):
        template = [{"role": "user", "content": template}]
    told: list[dict[str, Any]] = template
    if MESSAGES in version.tags:
        told = json.loads(version.tags[MESSAGES])
    if PARAMETERS in version.tags:
        parameters = json.loads(version.tags[PARAMETERS])
    else:
        parameters = dict(version.model_config or {})
        for key in ("provider", "model_name"):
            parameters.pop(key, None)
        if version.response_format:
            parameters[FORMAT] = _sent_format(version.response_format)
    keys: dict[str, str] = json.loads(version.tags.get(TOOL_KEYS, "{}"))
    return Prompt(
        tuple(_message(message) for message in told),
        tuple(sorted(parameters.items())),
        tuple(sorted(keys.items())),
        tuple(json.loads(version.tags.get(FILLS, "{}")).items()),
    )


def _message(told: Mapping[str, Any]) -> Message:
    more = {key: value for key, value in told.items() if key not in ("role", "content")}
    return Message(told["role"], _content(told["content"]), more)


def _content(told: Any) -> Content:
    if not isinstance(told, list):
        return told or ""
    parts: list[dict[str, Any]] = told
    return tuple(
        part["text"]
        if part["type"] == "text"
        else Image(part["image_url"]["url"], part["image_url"].get("detail"))
        for part in parts
    )


def _sent_format(schema: dict[str, Any]) -> dict[str, Any]:
    """As endpoints take it: MLflow also keeps bare JSON schemas, as of a Pydantic class."""
    if schema.get("type") in ("json_schema", "json_object", "text"):
        return schema
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def is_program(prompt: Prompt) -> bool:
    """True when MLflow would run the text as a Jinja program instead of filling it in."""
    return any(STATEMENT.search(plain(message)) for message in prompt.messages)


def is_placed(prompt: Prompt) -> bool:
    """True when turns of a row, or demos that are turns, stand in place of a message."""
    return any(message.role in (CONVERSATION, DEMOS) for message in prompt.messages)


def template(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """As MLflow fills it in."""
    return [{"role": message.role, "content": plain(message)} for message in messages]


def unfaithful(version: Any, prompt: Prompt, examples: Iterable[Example]) -> str | None:
    """The first example that MLflow would format to other messages than were scored."""
    from mlflow.exceptions import MlflowException

    for example in examples:
        if fields_of(prompt) - example.row.keys() or is_placed(prompt):
            continue  # filled in with what another step gave, or with turns: MLflow has no way to
        try:
            made = filled(prompt, example.row)
        except InputError:
            return None  # what it takes from is not here
        ours = template(render(prompt, example.row))
        values = {**example.row, **{name: one.text for name, one in made.items()}}
        try:
            same = version.format(**values) == ours
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
    if read(version) != registered.prompt:
        return f"MLflow gives {registered.uri} back otherwise than it was scored"
    example = unfaithful(version, registered.prompt, examples)
    return example and (
        f"MLflow formats {registered.uri} for example {example} to other messages than were "
        "scored: its data looks like a placeholder"
    )
