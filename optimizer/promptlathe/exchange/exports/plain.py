"""Texts and JSON: for reading, for any program, and as the body of a chat completion."""

import json

from promptlathe.exchange.exports.chosen import Chosen
from promptlathe.exchange.exports.written import Written
from promptlathe.records import Json


def text(given: Chosen) -> Written:
    """One message as it stands; of several, each below a line with its role."""
    messages = given.prompt.messages
    if len(messages) == 1:
        content = messages[0].text
    else:
        content = "\n\n".join(f"{message.role}:\n{message.text}" for message in messages)
    lost = parameters_note(given, "a text")
    return Written(f"{content}\n", (*lost, *_roles(given)))


def _roles(given: Chosen) -> tuple[str, ...]:
    roles = [message.role for message in given.prompt.messages]
    if len(roles) == 1:
        return () if roles == ["user"] else (f"the text is the message of the role {roles[0]}",)
    return ("each message stands below its role; for a program, --to json holds them apart",)


def json_form(given: Chosen) -> Written:
    """All that a prompt is; `promptlathe.records.Prompt` holds the same."""
    prompt = given.prompt
    content: dict[str, Json] = {
        "name": given.name,
        "about": given.about,
        "fields": list(given.fields),
        "messages": [message.to_dict() for message in prompt.messages],
        "model": given.body["model"],
        "parameters": dict(prompt.parameters),
        "settings": given.model.parameters,
    }
    if prompt.fills:
        content["fills"] = dict(prompt.fills)
    if prompt.tool_keys:
        content["tool_keys"] = dict(prompt.tool_keys)
    return Written(_json(content))


def openai(given: Chosen) -> Written:
    """The body; whoever sends it fills the fields in."""
    fields = ", ".join(f"{{{{ {name} }}}}" for name in given.fields)
    return Written(_json(given.body), (f"before it is sent, fill in: {fields}",) if fields else ())


def parameters_note(given: Chosen, form: str) -> tuple[str, ...]:
    """What a form without parameters leaves to its user."""
    named = {"model": given.body["model"], **given.parameters}
    return (f"{form} holds no parameters; it was asked with {json.dumps(named)}",)


def _json(content: Json) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
