"""All forms, and what each can hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from promptlathe.errors import InputError
from promptlathe.exchange.exports import frameworks, plain, programs
from promptlathe.exchange.exports.chosen import Chosen
from promptlathe.exchange.exports.promptfoo import promptfoo
from promptlathe.exchange.exports.prompty import prompty
from promptlathe.exchange.exports.written import Written
from promptlathe.records import Prompt
from promptlathe.space.template import CONVERSATION, DEMOS

RULES = "what is filled in for each row (nearest demos, contexts, retrieval)"
TURNS = "turns of a conversation in the place of a message"
PICTURES = "pictures"
MORE = "messages with calls of tools"
TOOLS = "tools"
PARTS: Mapping[str, Callable[[Prompt], bool]] = {
    RULES: lambda prompt: bool(prompt.fills),
    TURNS: lambda prompt: any(m.role in (CONVERSATION, DEMOS) for m in prompt.messages),
    PICTURES: lambda prompt: any(not isinstance(m.content, str) for m in prompt.messages),
    MORE: lambda prompt: any(m.more for m in prompt.messages),
    TOOLS: lambda prompt: "tools" in dict(prompt.parameters),
}
"""What not every form holds, and whether a prompt has it."""


@dataclass(frozen=True)
class Form:
    """One form."""

    write: Callable[[Chosen], Written]
    holds: frozenset[str]
    """Of `PARTS`."""


def _form(write: Callable[[Chosen], Written], *holds: str) -> Form:
    return Form(write, frozenset(holds))


FORMS: Mapping[str, Form] = {
    "text": _form(plain.text),
    "json": _form(plain.json_form, *PARTS),
    "openai": _form(plain.openai, PICTURES, MORE, TOOLS),
    "promptfoo": _form(promptfoo, TOOLS),
    "prompty": _form(prompty),
    "langchain": _form(frameworks.langchain, TOOLS),
    "llamaindex": _form(frameworks.llama_index, TOOLS),
    "dspy": _form(frameworks.dspy),
    "python": _form(programs.python, MORE, TOOLS),
    "curl": _form(programs.curl, MORE, TOOLS),
}


def export(given: Chosen, to: str) -> Written:
    """The prompt in a form. Raises InputError for what the form cannot hold."""
    form = FORMS[to]
    if given.model.api != "chat":
        raise InputError(
            f"the prompt is for the API {given.model.api!r}, and what is exported asks for chat "
            "completions",
            f"--to {to}",
            "use it with promptlathe",
        )
    has = [part for part, there in PARTS.items() if there(given.prompt)]
    if lost := [part for part in has if part not in form.holds]:
        able = [name for name, one in FORMS.items() if one.holds.issuperset(has)]
        raise InputError(
            f"the form {to} cannot hold {lost[0]}",
            f"--to {to}",
            f"choose one that can: {', '.join(able)}; promptlathe.render(prompt, row) gives the "
            "messages in Python",
        )
    written = form.write(given)
    return Written(written.text, (*given.notes, *written.notes))
