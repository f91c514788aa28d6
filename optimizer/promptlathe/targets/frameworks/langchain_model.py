"""What stands in a chain where its models stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LLM, BaseChatModel, BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from promptlathe.models.settings import PARAMETERS
from promptlathe.records import Answer, Json, Message
from promptlathe.targets.frameworks.target import Asking, sendable
from promptlathe.targets.frameworks.wire import form_of, message_of

NOT_SENT = ("model", "model_name", "stream")
"""Of a model's own parameters: `model` in promptlathe says which one answers."""


def stand_in(model: BaseLanguageModel[Any], asking: Asking, prompt: str) -> Runnable[Any, Any]:
    """The same model, asked through promptlathe. `prompt`: whose messages it gets."""
    given: dict[str, Any] = {
        "asking": asking,
        "prompt": prompt,
        "own": parameters_of(model),
        "cache": False,  # LangChain's: what it answers would not be counted
        "name": model.name,
        "callbacks": model.callbacks,
        "tags": model.tags,
        "metadata": model.metadata,
    }
    return ChatStandIn(**given) if isinstance(model, BaseChatModel) else TextStandIn(**given)


def parameters_of(model: BaseLanguageModel[Any]) -> dict[str, Json]:
    """What the model sends with each call, beside its own name."""
    sent = getattr(model, "_default_params", None)
    if not isinstance(sent, Mapping):
        sent = {name: getattr(model, name, None) for name in PARAMETERS}
        sent = {name: value for name, value in sent.items() if not callable(value)}
    if sent.get("n") == 1:
        sent = {name: value for name, value in sent.items() if name != "n"}
    return sendable({n: v for n, v in sent.items() if n not in NOT_SENT}, type(model).__name__)


class ChatStandIn(BaseChatModel):
    """Asks with LangChain's messages, and answers with one."""

    asking: Any
    prompt: str
    own: dict[str, Any]

    @property
    def _llm_type(self) -> str:
        return "promptlathe"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        sent, reads = self._parameters(stop, kwargs)
        return _result(self.asking.wait(sent_messages(messages), sent, self.prompt), reads)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        sent, reads = self._parameters(stop, kwargs)
        return _result(await self.asking.ask(sent_messages(messages), sent, self.prompt), reads)

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[Any, AIMessage]:
        """As OpenAI-compatible services take them."""
        names = {"any": "required", True: "required"}
        bound = {"tools": [convert_to_openai_tool(tool) for tool in tools], **kwargs}
        return self.bind(**bound, tool_choice=names.get(tool_choice, tool_choice))

    def _parameters(
        self, stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[dict[str, Json], type[BaseModel] | None]:
        """What is sent, and as what the answer is read."""
        given: dict[str, Any] = {**kwargs, "stop": stop} if stop else dict(kwargs)
        if "tools" in given:
            given["tools"] = [convert_to_openai_tool(tool) for tool in given["tools"]]
        form = given.get("response_format")
        reads = form if isinstance(form, type) and issubclass(form, BaseModel) else None
        if reads:
            given["response_format"] = form_of(reads)
        return {**self.own, **sendable(given, "the chain")}, reads


class TextStandIn(LLM):
    """For a model of texts: its text is asked as a user's message."""

    asking: Any
    prompt: str
    own: dict[str, Any]

    @property
    def _llm_type(self) -> str:
        return "promptlathe"

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        return self.asking.wait(*self._asked(prompt, stop, kwargs)).text

    async def _acall(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        return (await self.asking.ask(*self._asked(prompt, stop, kwargs))).text

    def _asked(
        self, prompt: str, stop: list[str] | None, kwargs: Mapping[str, Any]
    ) -> tuple[list[Message], dict[str, Json], str]:
        given = {**kwargs, "stop": stop} if stop else dict(kwargs)
        sent = {**self.own, **sendable(given, "the chain")}
        return [Message("user", prompt)], sent, self.prompt


def sent_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain's messages as they are sent. Raises ValueError for a part that is not sent."""
    return [message_of(one) for one in convert_to_openai_messages(list(messages))]


def _result(answer: Answer, reads: type[BaseModel] | None) -> ChatResult:
    more: dict[str, Any] = {}
    if answer.tool_calls:
        more["tool_calls"] = [dict(call) for call in answer.tool_calls]
    if reads and answer.text:
        more["parsed"] = reads.model_validate_json(answer.text)
    usage = None
    if answer.input_tokens is not None and answer.output_tokens is not None:
        usage = UsageMetadata(
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            total_tokens=answer.input_tokens + answer.output_tokens,
        )
    message = AIMessage(
        content=answer.text,
        additional_kwargs=more,
        response_metadata={"finish_reason": answer.finish_reason},
        usage_metadata=usage,
    )
    return ChatResult(generations=[ChatGeneration(message=message)])
