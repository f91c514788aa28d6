"""LlamaIndex: what has `get_prompts()`, and prompts. Imported when an object of it is given.

Engines are changed in place by `update_prompts`, which takes a misspelt key without a word: here a
copy is changed, which shares indices, stores and nodes, and what was set is read back.
"""

from __future__ import annotations

import copy
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    TextBlock,
)
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.data_structs.data_structs import IndexStruct
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts.base import (
    BasePromptTemplate,
    ChatPromptTemplate,
    PromptTemplate,
    SelectorPromptTemplate,
)
from llama_index.core.prompts.mixin import PromptMixin
from llama_index.core.prompts.rich import RichPromptTemplate
from llama_index.core.prompts.utils import get_template_vars
from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.storage.docstore.types import BaseDocumentStore
from llama_index.core.storage.storage_context import StorageContext
from pydantic import BaseModel

from promptlathe.errors import InputError
from promptlathe.space.messages import ROLES
from promptlathe.targets.frameworks.dialects import JINJA, SAFE, Dialect
from promptlathe.targets.frameworks.llama_index_model import MARK, sent_message, stand_in
from promptlathe.targets.frameworks.target import Asking, Call
from promptlathe.targets.frameworks.texts import Found, FoundText, Place, named, numbered

SHARED = (
    BaseDocumentStore,
    BaseEmbedding,
    BaseIndex,
    BaseNode,
    CallbackManager,
    IndexStruct,
    NodeWithScore,
    PromptHelper,
    StorageContext,
)
"""What a copy shares with its origin."""


class LlamaIndex:
    """The adapter."""

    def found(self, given: Any) -> Found:
        texts = {name: _texts(prompt) for name, _, prompt in _prompts(given)}
        if not any(texts.values()):
            raise InputError(
                f"no prompt was found in this {type(given).__name__}",
                "from_llama_index",
                "give a prompt template, or what has get_prompts(): a query engine, say",
            )
        return texts

    def made(self, given: Any, texts: Mapping[Place, str], asking: Asking | None) -> Any:
        made = given if isinstance(given, BasePromptTemplate) else _Copy(asking).of(given)
        for name, path, prompt in _prompts(given):
            own = {i: text for (of, i), text in texts.items() if of == name}
            if not own and asking is None:
                continue
            changed = _with_texts(prompt, own)
            changed.metadata = {**changed.metadata, MARK: name} if asking else changed.metadata
            if path is None:
                return changed
            _put(made, path, prompt, changed)
        return made

    def check_use(self, given: Any) -> None:
        if not isinstance(given, BasePromptTemplate):
            raise InputError(
                f"it is not said which field of a row this {type(given).__name__} is asked with",
                "target",
                'write  pl.calling(engine, lambda engine, row: engine.query(row["question"]))',
            )

    def usual(self, given: Any, asking: Asking) -> Call:
        """A prompt without an engine is one call."""

        async def ask(made: Any, row: dict[str, Any]) -> Any:
            messages = made.format_messages(**{n: row[n] for n in made.template_vars if n in row})
            answer = await asking.ask([sent_message(message) for message in messages], {})
            return answer.text or [dict(call) for call in answer.tool_calls]

        return ask

    def output(self, given: Any) -> Any:
        match given:
            case ChatResponse():
                calls = given.message.additional_kwargs.get("tool_calls")
                return given.message.content or calls or ""
            case CompletionResponse():
                return given.text
            case ChatMessage():
                return given.content or ""
            case BaseModel():
                return given.model_dump(mode="json")
            case _ if hasattr(given, "get_response") and hasattr(given, "response_gen"):
                return self.output(given.get_response())
            case _ if hasattr(given, "source_nodes") and hasattr(given, "response"):
                return self.output(given.response) or ""
            case _:
                return given


ADAPTER = LlamaIndex()


def _prompts(given: Any) -> Iterator[tuple[str, tuple[str, ...] | None, Any]]:
    """(name, where it is kept, prompt): of a selector the one that its LLM is given."""
    if isinstance(given, BasePromptTemplate):
        chosen = given.select(None) if isinstance(given, SelectorPromptTemplate) else given
        yield "prompt", None, chosen
        return
    taken = set[str]()
    for path, prompt, llm in _kept(given, ()):
        wanted = re.sub(r"\W+", "_", path[-1], flags=re.ASCII)
        name = next(one for one in numbered(wanted) if one not in taken)
        taken.add(name)
        chosen = prompt.select(llm) if isinstance(prompt, SelectorPromptTemplate) else prompt
        yield name, path, chosen


def _kept(
    given: Any, path: tuple[str, ...], llm: LLM | None = None
) -> Iterator[tuple[tuple[str, ...], BasePromptTemplate, LLM | None]]:
    """Each prompt with the keys that lead to it, and the LLM that is near it."""
    if not isinstance(given, PromptMixin):
        return
    near = next((one for one in vars(given).values() if isinstance(one, LLM)), llm)
    prompts, modules = _own(given)
    for key, prompt in prompts.items():
        yield (*path, key), prompt, near
    for key, module in modules.items():
        yield from _kept(module, (*path, key), near)


def _own(module: PromptMixin) -> tuple[Mapping[str, BasePromptTemplate], Mapping[str, PromptMixin]]:
    """A module's own prompts, and its parts: what its subclasses write. `get_prompts` copies."""
    mixin: Any = module
    return mixin._get_prompts(), mixin._get_prompt_modules()


def _put(made: Any, path: tuple[str, ...], before: Any, prompt: BasePromptTemplate) -> None:
    """Set one prompt of the copy, and read it back. Raises InputError when it did not take it."""
    module = made
    for key in path[:-1]:
        module = _own(module)[1][key]
    kept = _own(module)[0][path[-1]]
    whole: BasePromptTemplate = prompt
    if isinstance(kept, SelectorPromptTemplate):
        whole = _selecting(kept, before, prompt)
    module.update_prompts({path[-1]: whole})
    if _own(module)[0][path[-1]] is not whole:
        raise InputError(
            f"{type(module).__name__} did not take the prompt {path[-1]!r}",
            "target",
            "give it in `vary` no longer: it cannot be replaced",
        )


def _selecting(
    selector: SelectorPromptTemplate, before: Any, prompt: BasePromptTemplate
) -> SelectorPromptTemplate:
    """The same selector with another prompt in the place of one."""

    def swapped(one: BasePromptTemplate) -> BasePromptTemplate:
        return prompt if one is before else one

    return SelectorPromptTemplate(
        swapped(selector.default_template),
        [(when, swapped(one)) for when, one in selector.conditionals or ()],
    )


def _texts(prompt: BasePromptTemplate) -> tuple[FoundText, ...]:
    given = frozenset((*prompt.template_vars, *prompt.kwargs))
    match prompt:
        case PromptTemplate(template=template):
            return named([FoundText("user", "user", template, SAFE, given)])
        case RichPromptTemplate(template_str=template):
            return named([FoundText("user", "user", template, JINJA, given)])
        case ChatPromptTemplate(message_templates=messages):
            return named([_text(message, given) for message in messages])
        case _:
            return named([FoundText("user", "user", given=given)])


def _text(message: ChatMessage, given: frozenset[str]) -> FoundText:
    role = message.role.value if message.role.value in ROLES else "user"
    plain: Dialect | None = None
    text = ""
    if len(message.blocks) == 1 and isinstance(message.blocks[0], TextBlock):
        plain, text = SAFE, message.blocks[0].text
    return FoundText(role, role, text, plain, given)


def _with_texts(prompt: Any, texts: Mapping[int, str]) -> Any:
    made = prompt.model_copy()
    if not texts:
        return made
    match made:
        case PromptTemplate():
            made.template = texts[0]
            made.template_vars = get_template_vars(texts[0])
        case RichPromptTemplate():
            made.template_str = texts[0]
        case _:
            messages = list(made.message_templates)
            for i, text in texts.items():
                messages[i] = messages[i].model_copy(update={"blocks": [TextBlock(text=text)]})
            made.message_templates = messages
            made.template_vars = [name for one in messages for name in one.get_template_vars()]
    return made


class _Copy:
    """A copy of what holds prompts or LLMs; with stand-ins for the LLMs, unless `asking` is None.

    Indices, stores and nodes are shared, whatever is not LlamaIndex's too.
    """

    def __init__(self, asking: Asking | None) -> None:
        self._asking = asking
        self._known: dict[int, Any] = {}

    def of(self, given: Any) -> Any:
        if id(given) in self._known:
            return self._known[id(given)]
        match given:
            case LLM():
                made = stand_in(given, self._asking) if self._asking else given
                self._known[id(given)] = made
                return made
            case BasePromptTemplate() | type():
                return given
            case dict():
                return {key: self.of(one) for key, one in given.items()}
            case list():
                return [self.of(one) for one in given]
            case tuple() if type(given) is tuple:
                return tuple(self.of(one) for one in given)
            case types.MethodType():
                return types.MethodType(given.__func__, self.of(given.__self__))
            case _ if isinstance(given, SHARED) or not _of_llama_index(given):
                return given
            case _:
                return self._object(given)

    def _object(self, given: Any) -> Any:
        made = self._known[id(given)] = copy.copy(given)
        kept = [vars(made), getattr(made, "__pydantic_private__", None) or {}]
        for fields in kept:
            for name, one in list(fields.items()):
                fields[name] = self.of(one)
        return made


def _of_llama_index(given: Any) -> bool:
    """Its own, or a subclass of what holds prompts there."""
    if not hasattr(given, "__dict__"):
        return False
    return isinstance(given, PromptMixin) or type(given).__module__.startswith("llama_index.")
