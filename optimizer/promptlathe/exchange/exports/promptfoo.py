"""A promptfoo configuration: the prompt, its provider, and tests of rows that may be shown."""

import json
from typing import Any

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.exchange.exports.chosen import Chosen
from promptlathe.exchange.exports.promptfoo_tests import Tests, tests_of
from promptlathe.exchange.exports.weaving import jinja
from promptlathe.exchange.exports.written import Written
from promptlathe.job.finetune import recorded_job
from promptlathe.records import Json

SCHEMA = "https://promptfoo.dev/config-schema.json"


def promptfoo(given: Chosen) -> Written:
    """The messages are rendered by promptfoo itself (Nunjucks)."""
    messages = [
        {"role": message.role, "content": jinja(message.text, given.fields)}
        for message in given.prompt.messages
    ]
    tests = _tests(given)
    config: dict[str, Json] = {
        "description": given.about,
        "prompts": [{"label": given.name, "raw": json.dumps(messages, ensure_ascii=False)}],
        "providers": [_provider(given)],
    }
    if tests.asserts:
        config["defaultTest"] = {"assert": list(tests.asserts)}
    if tests.rows:
        config["tests"] = [{"vars": dict(row)} for row in tests.rows]
    return Written(documents.to_yaml(config, schema=SCHEMA), tests.notes)


def _provider(given: Chosen) -> dict[str, Json]:
    """Parameters are passed through as they are: promptfoo would add a temperature and a limit of
    its own, and leave out what it thinks that a model does not take."""
    config: dict[str, Json] = {
        "apiBaseUrl": given.base_url,
        "apiKeyEnvar": given.key,
        "omitDefaults": True,
        "passthrough": given.parameters,
    }
    if given.headers:
        config["headers"] = given.headers
    return {"id": f"openai:chat:{given.body['model']}", "config": config}


def _tests(given: Chosen) -> Tests:
    if given.run is None or given.state is None:
        return Tests(notes=("without tests: a registered prompt does not say which rows it saw",))
    try:
        job = recorded_job(given.run, given.state.parent)
    except InputError as error:
        return Tests(notes=(f"without tests, since the run's files cannot be read: {error}",))
    try:
        entries: list[Any] = job.objective.to_dict()["scorers"]
        rows = [one.row for split in ("train", "select") for one in job.objective.examples(split)]
    except InputError as error:
        return Tests(notes=(f"without tests, since the run's rows cannot be read: {error}",))
    finally:
        job.objective.close()
    return tests_of(rows, entries, given.fields)
