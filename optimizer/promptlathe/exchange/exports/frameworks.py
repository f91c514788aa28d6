"""LangChain, LlamaIndex and DSPy: what their libraries load."""

import re
from collections.abc import Mapping
from string import Template
from typing import Any

from promptlathe.errors import MissingExtra
from promptlathe.exchange.exports.chosen import Chosen
from promptlathe.exchange.exports.plain import parameters_note
from promptlathe.exchange.exports.programs import said
from promptlathe.exchange.exports.weaving import code, fstring, woven
from promptlathe.exchange.exports.written import Written
from promptlathe.records import Message


def langchain(given: Chosen) -> Written:
    """A `ChatPromptTemplate` as `langchain_core.load.dumps` writes it; the model and its parameters
    are the template's metadata."""
    try:
        from langchain_core.load import dumps
        from langchain_core.prompts import ChatMessagePromptTemplate, ChatPromptTemplate
    except ImportError as error:
        raise MissingExtra(error.name or "langchain_core", "langchain", "--to langchain") from None

    def made(message: Message) -> Any:
        text = fstring(message.text, given.fields)
        if message.role == "developer":
            return ChatMessagePromptTemplate.from_template(text, role=message.role)
        return (message.role, text)

    template = ChatPromptTemplate.from_messages([made(one) for one in given.prompt.messages])
    template.metadata = {"model": given.body["model"], "parameters": given.parameters}
    return Written(
        dumps(template, pretty=True, ensure_ascii=False) + "\n",
        (*parameters_note(given, "a template"), "they stand in the template's `metadata`"),
    )


_LLAMA_INDEX = Template('''\
"""$about.

    from prompt import PROMPT
    PROMPT.format_messages($usage)
"""

from llama_index.core import ChatPromptTemplate
from llama_index.core.llms import ChatMessage

MODEL = $model
PARAMETERS = $parameters
MESSAGES = $messages
PROMPT = ChatPromptTemplate(
    [ChatMessage(role=role, content=text) for role, text in MESSAGES],
    template_var_mappings=$mappings,
)
''')


def llama_index(given: Chosen) -> Written:
    """A Python file with a `ChatPromptTemplate`."""
    place = _llama_names(given)
    messages = [
        (
            message.role,
            woven(
                message.text,
                given.fields,
                literal=lambda part, _: part,
                named=lambda name: f"{{{place[name]}}}",
            ),
        )
        for message in given.prompt.messages
    ]
    return Written(
        _LLAMA_INDEX.substitute(
            about=said(given),
            usage=_usage(given),
            model=code(given.body["model"]),
            parameters=code(given.parameters),
            messages=code(messages),
            mappings=code({name: there for name, there in place.items() if name != there}),
        ),
        (*parameters_note(given, "a template"), "they stand in the file as MODEL and PARAMETERS"),
    )


def _llama_names(given: Chosen) -> Mapping[str, str]:
    """How the template calls each field. It knows no way to write `{text}` and mean just that: so a
    field has a name that stands nowhere else in single braces."""
    literal = [
        woven(message.text, given.fields, literal=lambda part, _: part, named=lambda name: "")
        for message in given.prompt.messages
    ]
    taken = {name for text in literal for name in re.findall(r"\{([^{}]+)\}", text)}
    found: dict[str, str] = {}
    for name in given.fields:
        there = name
        while there in taken:
            there = f"{there}_"
        found[name] = there
        taken |= {there, *given.fields}
    return found


_DSPY = Template('''\
"""$about.

    import dspy
    from prompt import Prompt

    dspy.configure(lm=dspy.LM("openai/" + MODEL, **PARAMETERS))
    Prompt()($usage).answer
"""

import re

import dspy

FIELDS = $fields
MODEL = $model
PARAMETERS = $parameters
MESSAGES = $messages
PLACEHOLDER = re.compile(r"\\{\\{\\s*(" + ("|".join(FIELDS) or "(?!)") + r")\\s*\\}\\}")


class Verbatim(dspy.Adapter):
    """Sends the messages as they were scored, and gives the whole answer."""

    def format(self, signature, demos, inputs):
        def filled(text):
            return PLACEHOLDER.sub(lambda match: str(inputs[match[1]]), text)

        return [{**message, "content": filled(message["content"])} for message in MESSAGES]

    def parse(self, signature, completion):
        return {"answer": completion}


class Prompt(dspy.Module):
    def __init__(self):
        super().__init__()
        inputs = {name: (object, dspy.InputField()) for name in FIELDS}
        outputs = {"answer": (str, dspy.OutputField())}
        self.predict = dspy.Predict(dspy.Signature({**inputs, **outputs}, "As in MESSAGES."))

    def forward(self, **row):
        with dspy.context(adapter=Verbatim()):
            return self.predict(**row)
''')


def dspy(given: Chosen) -> Written:
    """A Python file with a `dspy.Module`, whose adapter sends the messages as they are."""
    return Written(
        _DSPY.substitute(
            about=said(given),
            usage=_usage(given),
            fields=code(given.fields),
            model=code(given.body["model"]),
            parameters=code(given.parameters),
            messages=code(given.body["messages"]),
        ),
        (
            "DSPy's own adapters would write other messages: the module brings its own, so "
            "DSPy's optimizers cannot change the text",
        ),
    )


def _usage(given: Chosen) -> str:
    return ", ".join(f"{name}=…" for name in given.fields)
