"""Query engines of LlamaIndex for tests; it is imported where such a test runs, which takes
seconds."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import CompletionResponse, CustomLLM
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate, RichPromptTemplate
from llama_index.core.query_engine import CustomQueryEngine, RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

__all__ = ["ChatPromptTemplate", "PromptTemplate", "RichPromptTemplate", "SimpleChatEngine"]


class Service(CustomLLM):
    """Any OpenAI-compatible service, through the client of OpenAI."""

    base_url: str = "http://127.0.0.1:9/v1"
    chats: bool = True
    temperature: float = 0.0

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=self.chats, model_name="shop")

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        import openai

        client = openai.OpenAI(base_url=self.base_url, api_key="none", max_retries=0)
        sent: list[Any] = [{"role": m.role.value, "content": m.content} for m in messages]
        answer = client.chat.completions.create(
            model="shop", messages=sent, temperature=self.temperature
        )
        text = answer.choices[0].message.content
        return ChatResponse(message=ChatMessage(role="assistant", content=text))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        text = self.chat([ChatMessage(role="user", content=prompt)]).message.content or ""
        return CompletionResponse(text=text)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield self.complete(prompt)


class Notes(BaseRetriever):
    """Always finds the same."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="Teams: billing, delivery, login {or} so."))]


def engine(llm: Any = None, **more: Any) -> RetrieverQueryEngine:
    return RetrieverQueryEngine.from_args(Notes(), llm=llm or Service(), **more)


class Deaf(CustomQueryEngine):
    """Its prompt cannot be replaced."""

    def custom_query(self, query_str: str) -> str:
        return query_str

    def _get_prompts(self) -> dict[str, Any]:
        return {"prompt": PromptTemplate("Say {text}.")}
