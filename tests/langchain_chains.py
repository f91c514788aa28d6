"""Chains of LangChain for tests; it is imported where such a test runs, which takes a second."""

from operator import itemgetter
from typing import Any

from langchain_core.messages import SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnablePassthrough,
)
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

import promptlathe as pl


def llm(base_url: str = "http://127.0.0.1:9/v1", **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model="shop", base_url=base_url, api_key="none", max_retries=0, **more)


CHAT = ChatPromptTemplate(
    [
        SystemMessage("Fixed {as it stands}."),
        ("system", 'Be {tone}. JSON: {{"a": 1}}'),
        MessagesPlaceholder("history", optional=True),
        ("human", "\n{text} "),
        ("ai", "Well,"),
    ]
)
FEW = FewShotPromptTemplate(
    prefix="Solve.",
    example_prompt=PromptTemplate.from_template("{q} is {a}"),
    examples=[{"q": "1+1", "a": "2"}],
    suffix="{text} is",
    input_variables=["text"],
)
FEW_CHAT = ChatPromptTemplate(
    [
        ("system", "Solve."),
        FewShotChatMessagePromptTemplate(
            example_prompt=ChatPromptTemplate([("human", "{q}"), ("ai", "{a}")]),
            examples=[{"q": "1+1", "a": "2"}],
        ),
        ("human", "{text}"),
    ]
)


def two_prompts() -> Runnable[Any, Any]:
    """And what would catch an error."""
    plan = ChatPromptTemplate([("system", "Plan."), ("human", "{text}")], name="plan")
    answer = PromptTemplate.from_template("{plan} by {text}, {tags}", name="answer")
    steps = RunnablePassthrough.assign(plan=plan | llm() | StrOutputParser())
    careless = (answer | llm()).with_fallbacks([RunnableLambda(lambda row: "swallowed")])
    return steps | {"first": careless, "text": itemgetter("text")}


def winding() -> Runnable[Any, Any]:
    """Branches, names, retries, and functions that ask."""
    ask = llm()
    used = ChatPromptTemplate([("human", "inner {text}")], name="inner") | ask

    def route(row: dict[str, Any]) -> Any:
        return used.invoke(row).text

    async def again(text: str) -> Any:
        return (await used.ainvoke({"text": text})).text

    one = PromptTemplate.from_template("one {text}", name="one") | ask.with_retry()
    two = PromptTemplate.from_template("two {text}").with_config(run_name="two") | ask
    branch = RunnableBranch((lambda row: "<b>" in row["text"], one), two)
    ways = {"a": branch | StrOutputParser(), "b": RunnableLambda(route) | again}
    return ways | RunnablePassthrough()


class Holder:
    """Its chain is an attribute."""

    def __init__(self) -> None:
        self.chain = CHAT | llm()

    def use(self, row: Any) -> Any:
        return self.chain.invoke(row)


class Verdict(BaseModel):
    team: str
    sure: bool


@tool
def refund(order: str) -> str:
    """Gives the money back."""
    return f"refunded {order}"


DECIDE = "Answer with one of these words only: refund, replace, wait, decline, ask_details."
VARY: dict[str, Any] = {
    "plan.system": ["Rules of the shop: {all of them}", "Look closely."],
    "answer.user": "{{ form }}\n{{ shots }}\nNote of a colleague: {{ plan }}\n"
    "Message: {{ message }}",
}
COMPONENTS = {
    "answer.form": pl.Choice(["Decide.", DECIDE]),
    "answer.shots": pl.Demos(count=(0, 2), template="Say {{ decision }}, not {guess}."),
}


def shop_chain(base_url: str) -> Runnable[Any, Any]:
    """For the shop of tests/orders.py."""
    ask = llm(base_url, temperature=0)
    plan = ChatPromptTemplate(
        [("system", "Which rule is it?"), ("human", "{facts}\nMessage: {message}")], name="plan"
    )
    answer = PromptTemplate.from_template(
        "Decide.\nNote of a colleague: {plan}\nMessage: {message}\n", name="answer"
    )
    steps = RunnablePassthrough.assign(plan=plan | ask | StrOutputParser())
    return steps | answer | ask | StrOutputParser()
