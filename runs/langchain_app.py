"""A chain of LangChain, and what may vary in it: runs/langchain_chain.yaml tunes it."""

import os
from pathlib import Path

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_openai import ChatOpenAI

import promptlathe as pl

# In a run, the model of the run file answers in its place, with the parameters that are set here.
llm = ChatOpenAI(
    model="my-model", temperature=0, api_key=os.environ.get("OPENAI_API_KEY", "not-set")
)

plan = ChatPromptTemplate(
    [
        ("system", "Read the message and note what it is about."),
        ("human", "Message: {message}\nOrder: {facts}\nNote:"),
    ],
    name="plan",
)
answer = ChatPromptTemplate(
    [
        ("system", "Say what the shop should do."),
        ("human", "Message: {message}\nOrder: {facts}\nNote of a colleague: {plan}\nDecision:"),
    ],
    name="answer",
)
chain = (
    RunnablePassthrough.assign(plan=plan | llm | StrOutputParser())
    | answer
    | llm
    | StrOutputParser()
)

RULES = Path(__file__).parent.parent / "search_spaces/order_replies/rules.md"
DECISIONS = "refund, replace, wait, decline, ask_details"
space = pl.from_langchain(
    chain,
    vary={
        "plan.system": "{{ task }}\n{{ rules }}\n{{ thinking }}",
        "answer.system": "{{ rule }}\n{{ format }}",
        "answer.user": "{{ demos }}\n\nMessage: {{ message }}\nOrder: {{ facts }}\n"
        "Note of a colleague: {{ plan }}\nDecision:",
    },
    components={
        "plan.task": pl.Choice(
            [
                "Read the message and note what it is about.",
                "Note which one rule applies: late, lost, damaged, too_old, changed_mind, unclear. "
                "The facts count, not what the customer asks for.",
            ]
        ),
        "plan.rules": pl.Choice([None, RULES.read_text("utf-8").strip()]),
        "plan.thinking": pl.Choice(
            [None, "Count the days and say what state the article is in, then name the rule."]
        ),
        "answer.rule": pl.Choice(
            [
                "Say what the shop should do.",
                "Decide as the note says; where it is unclear, ask for details.",
            ]
        ),
        "answer.format": pl.Choice([None, f"Answer with one of these words only: {DECISIONS}."]),
        "answer.demos": pl.Demos(
            count=(0, 4),
            template="Message: {{ message }}\nOrder: {{ facts }}\n"
            "Note of a colleague: {{ rule }}\nDecision: {{ decision }}",
        ),
    },
)
