"""What stands in a query engine where its LLM stood."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    ImageBlock,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ToolCallBlock,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import LLM, ToolSelection
from llama_index.core.prompts.base import BasePromptTemplate, SelectorPromptTemplate
from llama_index.core.tools.types import BaseTool

from promptlathe.models.settings import PARAMETERS
from promptlathe.records import Answer, Image, Json, Message
from promptlathe.targets.frameworks.target import Asking, sendable

MARK = "promptlathe"
"""In a prompt's metadata and in its first message: the prompt's name."""
KEPT = (
    "callback_manager",
    "system_prompt",
    "messages_to_prompt",
    "completion_to_prompt",
    "output_parser",
    "pydantic_program_mode",
    "query_wrapper_prompt",
)
"""Of the LLM that it stands in for."""


def stand_in(llm: LLM, asking: Asking) -> StandIn:
    """The same LLM, asked through promptlathe."""
    own = {name: getattr(llm, name, None) for name in PARAMETERS}
    own = {name: value for name, value in own.items() if not callable(value)}
    more = getattr(llm, "additional_kwargs", None)
    own |= dict(more) if isinstance(more, Mapping) else {}
    kept = {name: getattr(llm, name) for name in KEPT}
    return StandIn(asking=asking, told=llm.metadata, own=sendable(own, type(llm).__name__), **kept)


class MadeText(str):
    """A text that was made of a prompt, by its name."""

    prompt: str = ""


def _mark_of(prompt: BasePromptTemplate, llm: LLM) -> str:
    chosen = prompt.select(llm) if isinstance(prompt, SelectorPromptTemplate) else prompt
    return str(chosen.metadata.get(MARK, ""))


class StandIn(FunctionCallingLLM):
    """Asks with LlamaIndex's messages; what is streamed comes in one piece."""

    asking: Any
    told: LLMMetadata
    own: dict[str, Any]

    @property
    def metadata(self) -> LLMMetadata:
        return self.told

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _response(self.asking.wait(*self._asked(messages, kwargs)))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return _response(await self.asking.ask(*self._asked(messages, kwargs)))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        yield _whole(self.chat(messages, **kwargs))

    async def astream_chat(
        self, messages: Sequence[ChatMessage], **kwargs: Any
    ) -> ChatResponseAsyncGen:
        async def pieces() -> ChatResponseAsyncGen:
            yield _whole(await self.achat(messages, **kwargs))

        return pieces()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return _completion(self.chat([self._asked_text(prompt, formatted)], **kwargs))

    async def acomplete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponse:
        return _completion(await self.achat([self._asked_text(prompt, formatted)], **kwargs))

    def stream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        yield self.complete(prompt, formatted, **kwargs)

    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        async def pieces() -> CompletionResponseAsyncGen:
            yield await self.acomplete(prompt, formatted, **kwargs)

        return pieces()

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        calls = response.message.additional_kwargs.get("tool_calls", ())
        if not calls and error_on_no_tool_call:
            raise ValueError("the model called no tool")
        return [
            ToolSelection(
                tool_id=call.get("id") or "",
                tool_name=call["function"]["name"],
                tool_kwargs=json.loads(call["function"]["arguments"] or "{}"),
            )
            for call in calls
        ]

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if isinstance(user_msg, str):
            user_msg = ChatMessage(role=MessageRole.USER, content=user_msg)
        messages = [*(chat_history or ()), *([user_msg] if user_msg else ())]
        shown = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        choice = {"tool_choice": "required" if tool_required else "auto"} if shown else {}
        return {"messages": messages, "tools": shown or None, **choice, **kwargs}

    def _get_messages(self, prompt: BasePromptTemplate, **prompt_args: Any) -> list[ChatMessage]:
        messages = super()._get_messages(prompt, **prompt_args)
        if messages:
            messages[-1].additional_kwargs[MARK] = _mark_of(prompt, self)
        return messages

    def _get_prompt(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        made = MadeText(super()._get_prompt(prompt, **prompt_args))
        made.prompt = _mark_of(prompt, self)
        return made

    def _asked_text(self, prompt: str, formatted: bool) -> ChatMessage:
        wrap = None if formatted else self.completion_to_prompt
        text = wrap(prompt) if wrap else prompt
        mark = {MARK: prompt.prompt} if isinstance(prompt, MadeText) else {}
        return ChatMessage(role=MessageRole.USER, content=str(text), additional_kwargs=mark)

    def _asked(
        self, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]
    ) -> tuple[list[Message], dict[str, Json], str]:
        marks = [message.additional_kwargs.get(MARK) for message in messages]
        name = next((str(mark) for mark in marks if mark), "")
        sent = {**self.own, **sendable(kwargs, "the engine")}
        return [sent_message(message) for message in messages], sent, name


def sent_message(given: ChatMessage) -> Message:
    """LlamaIndex's message as it is sent. Raises ValueError for a part that is not sent."""
    more = {name: one for name, one in given.additional_kwargs.items() if name != MARK}
    parts: list[str | Image] = []
    calls: list[Json] = []
    for block in given.blocks:
        match block:
            case TextBlock(text=text):
                parts.append(text)
            case ImageBlock():
                parts.append(_image(block))
            case ToolCallBlock(tool_kwargs=arguments):
                said = arguments if isinstance(arguments, str) else json.dumps(arguments)
                function = {"name": block.tool_name, "arguments": said}
                calls.append({"id": block.tool_call_id, "type": "function", "function": function})
            case _:
                raise ValueError(
                    f"a message holds {block.block_type!r}: only texts and pictures are sent"
                )
    if calls and "tool_calls" not in more:
        more["tool_calls"] = calls
    texts = [part for part in parts if isinstance(part, str)]
    content = "\n".join(texts) if len(texts) == len(parts) else tuple(parts)
    return Message(given.role.value, content, more)


def _image(block: ImageBlock) -> Image:
    if block.url:
        return Image(str(block.url), block.detail)
    data = block.resolve_image().read()
    kind = block.image_mimetype or "image/png"
    return Image(f"data:{kind};base64,{base64.b64encode(data).decode()}", block.detail)


def _response(answer: Answer) -> ChatResponse:
    calls = [dict(call) for call in answer.tool_calls]
    more = {"tool_calls": calls} if calls else {}
    usage = {"prompt_tokens": answer.input_tokens, "completion_tokens": answer.output_tokens}
    message = ChatMessage(role=MessageRole.ASSISTANT, content=answer.text, additional_kwargs=more)
    return ChatResponse(message=message, additional_kwargs=usage)


def _whole(response: ChatResponse) -> ChatResponse:
    return response.model_copy(update={"delta": response.message.content})


def _completion(response: ChatResponse) -> CompletionResponse:
    text = response.message.content or ""
    more = response.message.additional_kwargs
    return CompletionResponse(text=text, delta=text, additional_kwargs=more)
