"""LangChain: chains of Runnables, and prompts. Imported when an object of it is given.

A chain is copied piece by piece: its prompts with other texts, and stand-ins where its models
stood, those that its functions use among them.
"""

from __future__ import annotations

import copy
import inspect
import re
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue
from langchain_core.prompts import (
    BasePromptTemplate,
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    FewShotPromptWithTemplates,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.prompts.chat import (
    AIMessagePromptTemplate,
    ChatMessagePromptTemplate,
    HumanMessagePromptTemplate,
    SystemMessagePromptTemplate,
)
from langchain_core.prompts.string import get_template_variables
from langchain_core.runnables import Runnable, RunnableLambda, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from pydantic import BaseModel

from promptlathe.errors import InputError
from promptlathe.space.messages import ROLES
from promptlathe.targets.frameworks.dialects import (
    F_STRING,
    JINJA,
    LITERAL,
    MUSTACHE,
    Dialect,
    escapes_html,
)
from promptlathe.targets.frameworks.langchain_model import sent_messages, stand_in
from promptlathe.targets.frameworks.target import Asking, Call
from promptlathe.targets.frameworks.texts import Found, FoundText, Place, named, numbered

DIALECTS: Mapping[str, Dialect] = {"f-string": F_STRING, "mustache": MUSTACHE, "jinja2": JINJA}
TEMPLATE_ROLES = {
    SystemMessagePromptTemplate: "system",
    HumanMessagePromptTemplate: "user",
    AIMessagePromptTemplate: "assistant",
}
MESSAGE_ROLES = {"human": "user", "ai": "assistant"}
"""Others have the same name as in the API."""


class LangChain:
    """The adapter."""

    def found(self, given: Any) -> Found:
        copied = _Copy()
        copied.of(given)
        if not copied.found:
            raise InputError(
                f"no prompt was found in this {type(given).__name__}",
                "from_langchain",
                "give a prompt template, or a chain of Runnables that holds one",
            )
        return copied.found

    def made(self, given: Any, texts: Mapping[Place, str], asking: Asking | None) -> Any:
        return _Copy(texts, asking).of(given)

    def check_use(self, given: Any) -> None:
        """A chain gets the row. Its models are told apart no more: a warning says so."""
        copied = _Copy()
        copied.of(given)
        if len(copied.models) > 1:
            warnings.warn(
                f"the chain has the models {', '.join(sorted(copied.models))}: in a run, `model` "
                "answers in the place of each",
                stacklevel=2,
            )

    def usual(self, given: Any, asking: Asking) -> Call:
        async def invoke(made: Any, row: dict[str, Any]) -> Any:
            output = await made.ainvoke(row)
            if not isinstance(output, PromptValue):
                return output
            # A prompt without a model is one call.
            answer = await asking.ask(sent_messages(output.to_messages()), {})
            return answer.text or [dict(call) for call in answer.tool_calls]

        return invoke

    def output(self, given: Any) -> Any:
        match given:
            case BaseMessage():
                calls = getattr(given, "tool_calls", None)
                return str(given.text) or (given.additional_kwargs.get("tool_calls") or calls or "")
            case BaseModel():
                return given.model_dump(mode="json")
            case Mapping():
                return {str(name): self.output(one) for name, one in given.items()}
            case list() | tuple():
                return [self.output(one) for one in given]
            case _:
                return given


ADAPTER = LangChain()


@dataclass
class _Copy:
    """A copy of a chain; `found` are its texts as they were."""

    texts: Mapping[Place, str] = field(default_factory=dict[Place, str])
    """By place, those to change."""
    asking: Asking | None = None
    found: dict[str, tuple[FoundText, ...]] = field(
        default_factory=dict[str, "tuple[FoundText, ...]"]
    )
    models: set[str] = field(default_factory=set[str])
    """Their names."""
    _near: str = ""
    """The prompt whose messages the next model gets."""
    _known: dict[tuple[int, str], Any] = field(default_factory=dict[tuple[int, str], Any])
    """What was copied, by its identity and the prompt before it."""
    _names: dict[int, str] = field(default_factory=dict[int, str])

    def of(self, given: Any, hint: str = "") -> Any:
        """The copy of one piece. hint: what stands near it that may name a prompt."""
        key = id(given), self._near
        if key in self._known:
            return self._known[key]
        match given:
            case BasePromptTemplate():
                made = self._prompt(given, hint)
            case BaseLanguageModel():
                self.models.add(_model_name(given))
                made = stand_in(given, self.asking, self._near) if self.asking else given
            case Runnable():
                return self._runnable(given, hint)
            case types.FunctionType():
                return self._function(given)
            case types.MethodType():
                made = self._method(given)
            case dict():
                made = {name: self.of(one, str(name)) for name, one in given.items()}
            case list():
                made = [self.of(one, hint) for one in given]
            case tuple() if type(given) is tuple:
                made = tuple(self.of(one, hint) for one in given)
            case _:
                return given
        self._known[key] = made
        return made

    def _runnable(self, given: Runnable[Any, Any], hint: str) -> Any:
        made = self._known[id(given), self._near] = copy.copy(given)
        if isinstance(given, RunnableLambda):
            self._check_hidden(given)
        if isinstance(given, RunnableSequence):
            first, *middle, last = self._steps(given, hint)
            vars(made).update(first=first, middle=middle, last=last)
            return made
        hint = _name_of(given) or hint
        for name, one in vars(given).items():
            vars(made)[name] = self.of(one, hint)
        return made

    def _steps(self, given: RunnableSequence[Any, Any], hint: str) -> Iterator[Any]:
        """A model that follows a prompt gets its messages."""
        before, self._near = self._near, ""
        for step in given.steps:
            yield self.of(step, hint)
            inner = step
            while isinstance(inner, RunnableBindingBase):
                inner = inner.bound
            self._near = self._names.get(id(inner), "")
        self._near = before

    def _function(self, given: types.FunctionType) -> types.FunctionType:
        """With copies of the Runnables that it uses by name."""
        names = inspect.getclosurevars(given)
        used = {**names.globals, **names.nonlocals}
        used = {name: one for name, one in used.items() if isinstance(one, Runnable)}
        if not used:
            return given
        cells = {name: types.CellType() for name in names.nonlocals if name in used}
        free = zip(given.__code__.co_freevars, given.__closure__ or (), strict=True)
        closure = tuple(cells.get(name, cell) for name, cell in free)
        scope = dict(given.__globals__)
        made = types.FunctionType(
            given.__code__, scope, given.__name__, given.__defaults__, closure
        )
        made.__kwdefaults__ = given.__kwdefaults__
        vars(made).update(vars(given))
        self._known[id(given), self._near] = made
        near, self._near = self._near, ""
        for name, one in used.items():
            if name in cells:
                cells[name].cell_contents = self.of(one, name)
            else:
                scope[name] = self.of(one, name)
        self._near = near
        return made

    def _method(self, given: types.MethodType) -> Any:
        owner = given.__self__
        if isinstance(owner, Runnable):
            return types.MethodType(given.__func__, self.of(owner))
        held = vars(owner).values() if hasattr(owner, "__dict__") else ()
        for one in held:
            if isinstance(one, Runnable):
                self._refuse(one, f"{type(owner).__name__}.{given.__name__}")
        return given

    def _check_hidden(self, given: RunnableLambda[Any, Any]) -> None:
        """What a function reaches as an attribute of something else cannot be copied."""
        function = getattr(given, "func", None) or getattr(given, "afunc", None)
        if not isinstance(function, types.FunctionType):
            return
        names = inspect.getclosurevars(function)
        direct = {id(one) for one in (*names.globals.values(), *names.nonlocals.values())}
        for one in given.deps:
            if id(one) not in direct:
                self._refuse(one, function.__name__)

    def _refuse(self, hidden: Runnable[Any, Any], user: str) -> None:
        inside = _Copy()
        inside.of(hidden)
        if inside.found or inside.models:
            raise InputError(
                f"{user} uses a part of the chain as an attribute of something else: its prompts "
                "and calls cannot be followed there",
                "target",
                "use the Runnable by a name of its own, or as a step of the chain",
            )

    def _prompt(self, given: BasePromptTemplate[Any], hint: str) -> Any:
        wanted = re.sub(r"\W+", "_", given.name or hint or "prompt", flags=re.ASCII).strip("_")
        wanted = wanted if wanted.isidentifier() else "prompt"
        name = next(one for one in numbered(wanted) if one not in self.found)
        self._names[id(given)] = name
        writing = _Writing(given, lambda i: self.texts.get((name, i)))
        made = writing.of(given, "user", "user")
        self.found[name] = named(writing.found)
        return made


def _model_name(model: BaseLanguageModel[Any]) -> str:
    """The service's name for it; of one that has none, its class."""
    names = (getattr(model, key, None) for key in ("model_name", "model", "model_id"))
    return next((name for name in names if isinstance(name, str)), type(model).__name__)


def _name_of(given: Runnable[Any, Any]) -> str:
    """What the user called a piece of the chain."""
    config = getattr(given, "config", None)
    run = config.get("run_name") if isinstance(config, Mapping) else None
    return str(run or getattr(given, "name", None) or "")


class _Writing:
    """A copy of a prompt, its texts in order replaced by what `new` gives for their numbers."""

    def __init__(self, prompt: BasePromptTemplate[Any], new: Callable[[int], str | None]) -> None:
        self._new = new
        self.found: list[FoundText] = []
        self._given = frozenset(
            (*prompt.input_variables, *prompt.optional_variables, *prompt.partial_variables)
        )

    def of(self, given: Any, role: str, label: str) -> Any:
        match given:
            case PromptTemplate():
                dialect = DIALECTS[given.template_format]
                text = self._text(given.template, dialect, role, label)
                return given if text is None else _with_template(given, text)
            case FewShotPromptTemplate():
                dialect = DIALECTS[given.template_format]
                changed = {
                    "prefix": self._text(given.prefix, dialect, role, "prefix"),
                    "example_prompt": self.of(given.example_prompt, role, "example"),
                    "suffix": self._text(given.suffix, dialect, role, "suffix"),
                }
                return _with(given, changed)
            case FewShotPromptWithTemplates():
                prefix = given.prefix and self.of(given.prefix, role, "prefix")
                example = self.of(given.example_prompt, role, "example")
                suffix = self.of(given.suffix, role, "suffix")
                return _with(given, {"prefix": prefix, "example_prompt": example, "suffix": suffix})
            case FewShotChatMessagePromptTemplate():
                return _with(
                    given, {"example_prompt": self.of(given.example_prompt, role, "example")}
                )
            case ChatPromptTemplate():
                start = "" if label == "user" else f"{label}_"
                messages = [self._in_chat(one, start) for one in given.messages]
                return _with(given, {"messages": messages})
            case _:
                return self._in_chat(given, "")

    def _in_chat(self, given: Any, start: str) -> Any:
        match given:
            case MessagesPlaceholder(variable_name=name):
                self._other(name)
                return given
            case BaseMessage(content=str(content)):
                role = _role(MESSAGE_ROLES.get(given.type, given.type))
                text = self._text(content, LITERAL, role, f"{start}{role}")
                return given if text is None else given.model_copy(update={"content": text})
            case ChatMessagePromptTemplate():
                role = _role(given.role)
            case (
                SystemMessagePromptTemplate()
                | HumanMessagePromptTemplate()
                | AIMessagePromptTemplate()
            ):
                role = TEMPLATE_ROLES.get(type(given), "user")
            case BasePromptTemplate():
                return self.of(given, "user", f"{start}example" if start else "example")
            case _:
                self._other(f"{start}part")
                return given
        if isinstance(given.prompt, list):
            parts = [self._in_part(one, role, f"{start}{role}") for one in given.prompt]
            return _with(given, {"prompt": parts})
        return _with(given, {"prompt": self.of(given.prompt, role, f"{start}{role}")})

    def _in_part(self, given: Any, role: str, label: str) -> Any:
        if isinstance(given, PromptTemplate):
            return self.of(given, role, label)
        self._other(f"{label}_part", role)
        return given

    def _text(self, template: str, dialect: Dialect, role: str, label: str) -> str | None:
        """The new text; None where there is none."""
        self.found.append(FoundText(label, role, template, dialect, self._given))
        if dialect is MUSTACHE and (escaped := escapes_html(template)):
            _warn(escaped[0])
        return self._new(len(self.found) - 1)

    def _other(self, label: str, role: str = "user") -> None:
        self.found.append(FoundText(label, role, given=self._given))


def _warn(variable: str) -> None:
    warnings.warn(
        f"the mustache variable {variable} HTML-escapes its value: in a row's text & becomes "
        f"&amp;. To show the model the text itself, write {{{variable}}}",
        stacklevel=2,
    )


def _role(role: str) -> str:
    return role if role in ROLES else "user"


def _with(given: Any, changed: Mapping[str, Any]) -> Any:
    """A copy with other attributes, the same object where nothing differs."""
    new = {name: one for name, one in changed.items() if one is not None}
    same = all(
        one is (old := getattr(given, name))
        or (isinstance(one, list) and all(a is b for a, b in zip(one, old, strict=True)))
        for name, one in new.items()
    )
    return given if same else given.model_copy(update=new)


def _with_template(given: PromptTemplate, text: str) -> PromptTemplate:
    used = get_template_variables(text, given.template_format)
    needed = [name for name in used if name not in given.partial_variables]
    return given.model_copy(update={"template": text, "input_variables": needed})
