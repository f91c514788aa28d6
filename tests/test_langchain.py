"""Chains of LangChain: their space, themselves as target, and the tuned chain back."""

from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from tests.orders import FACTS, OBJECTIVE, check_account, model, parallel, shop, steps_sent

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job, Result, run
from promptlathe.records import Json, Prompt
from promptlathe.runtime.evaluator import Target
from promptlathe.runtime.seam import CallFailed
from promptlathe.space import BoundSpace
from promptlathe.starter import starter
from promptlathe.targets.frameworks import applied, target_of
from promptlathe.testing.contexts import Asked, ScriptedContext
from promptlathe.testing.scripted import Arrived, ScriptedServer
from promptlathe.testing.targets import TargetSuite

pytest.importorskip("langchain_core", reason="needs the extra `langchain`")
pytest.importorskip("langchain_openai", reason="needs langchain-openai")

from langchain_core.messages import AIMessage, SystemMessage
from langchain_core.output_parsers import JsonOutputParser, StrOutputParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from langchain_core.runnables import RunnableBranch, RunnableLambda, RunnablePassthrough
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

ROW = {"text": "The <b>parcel</b> & {x}", "tags": ["a"], "tone": "calm"}


def llm(base_url: str = "http://127.0.0.1:9/v1", **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model="shop", base_url=base_url, api_key="none", max_retries=0, **more)


def seed(space: pl.SearchSpace) -> Mapping[str, Prompt]:
    return BoundSpace(space, ()).seed.prompts


async def ran(
    chain: Any,
    *,
    vary: Any = (),
    levels: Mapping[str, Any] | None = None,
    row: Mapping[str, Json] = ROW,
    answers: Any = "said",
    **more: Any,
) -> tuple[Json, list[Asked]]:
    """The output for a row, and what was asked."""
    space = pl.from_langchain(chain, vary=vary, **more)
    prompts = BoundSpace(space, ()).candidate({**space.seed_levels, **(levels or {})}).prompts
    ctx = ScriptedContext(answers if callable(answers) else lambda asked: answers)
    target = target_of(chain)
    target.check(space)
    return await target.run(prompts, row, ctx), ctx.asked


class TestChain(TargetSuite):
    """Two prompts, one of them twice at once, and a function between."""

    def prompts(self) -> Mapping[str, Prompt]:
        made = seed(pl.from_langchain(self.chain()))
        return {
            "plan": Prompt(made["plan"].messages, (("seed", 1),)),
            "answer": Prompt(made["answer"].messages, (("temperature", 0.5),)),
        }

    def target(self) -> Target:
        return target_of(self.chain())

    def chain(self) -> Any:
        ask = llm()
        plan = ChatPromptTemplate([("system", "Plan."), ("human", "{text}")], name="plan")
        answer = PromptTemplate.from_template("{plan} by {text}, {tags}", name="answer")
        steps = RunnablePassthrough.assign(plan=plan | ask | StrOutputParser())
        careless = (answer | ask).with_fallbacks([RunnableLambda(lambda row: "swallowed")])
        return steps | {"first": careless, "text": itemgetter("text")}


# Every prompt of a chain is found, and every text of a prompt

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
FEW_CHAT = FewShotChatMessagePromptTemplate(
    example_prompt=ChatPromptTemplate([("human", "{q}"), ("ai", "{a}")]),
    examples=[{"q": "1+1", "a": "2"}],
)


def spelled(space: pl.SearchSpace) -> list[dict[str, str]]:
    return space.to_dict()["messages"]


def test_every_text_of_a_chat_prompt_is_found_and_frozen():
    space = pl.from_langchain(CHAT.partial(tone="calm"))
    assert space.size.count == 1
    assert spelled(space) == [
        {"system": "Fixed {as it stands}."},
        {"system": 'Be {{ tone }}. JSON: {"a": 1}'},
        {"user": "{{ history }}"},
        {"user": "{{ text }}"},
        {"assistant": "Well,"},
    ]


def test_every_text_of_few_shot_prompts_is_found():
    assert spelled(pl.from_langchain(FEW)) == [
        {"user": "Solve."},
        {"user": "{{ q }} is {{ a }}"},
        {"user": "{{ text }} is"},
    ]
    prompt = ChatPromptTemplate([("system", "Solve."), FEW_CHAT, ("human", "{text}")])
    assert spelled(pl.from_langchain(prompt)) == [
        {"system": "Solve."},
        {"user": "{{ q }}"},
        {"assistant": "{{ a }}"},
        {"user": "{{ text }}"},
    ]


async def test_texts_of_few_shot_prompts_vary():
    vary = {"prefix": pl.Choice(["Add up."]), "example": pl.Choice(["{{ q }} = {{ a }}"])}
    levels = {"prefix": "Add up.", "example": "{{ q }} = {{ a }}"}
    _, (asked,) = await ran(FEW | llm(), vary=vary, levels=levels, row={"text": "2+2"})
    assert asked.prompt == "Add up.\n\n1+1 = 2\n\n2+2 is"
    prompt = ChatPromptTemplate([("system", "Solve."), FEW_CHAT, ("human", "{text}")])
    vary = {"example_assistant": pl.Choice(["It is {{ a }}."])}
    levels = {"example_assistant": "It is {{ a }}."}
    _, (asked,) = await ran(prompt | llm(), vary=vary, levels=levels, row={"text": "2+2"})
    assert [m.content for m in asked.request.messages] == ["Solve.", "1+1", "It is 2.", "2+2"]


@pytest.mark.parametrize(
    ("form", "template", "shown", "sent"),
    [
        ("f-string", "{text:.5} {{}}", "{{ text }} {}", "The < {}"),
        ("mustache", "{{{text}}} {}", "{{ text }} {}", ROW["text"] + " {}"),
        ("mustache", "{{ text }}", "{{ text }}", "The &lt;b&gt;parcel&lt;/b&gt; &amp; {x}"),
        ("jinja2", "{{text}} {}", "{{ text }} {}", ROW["text"] + " {}"),
    ],
)
@pytest.mark.filterwarnings("ignore:the mustache variable")
async def test_template_languages(form: Any, template: str, shown: str, sent: str):
    """What the chain fills in its own way it fills in so for a new text too."""
    prompt = PromptTemplate.from_template(template, template_format=form)
    space = pl.from_langchain(prompt)
    assert spelled(space) == [{"user": shown}]
    _, (asked,) = await ran(prompt)
    assert asked.prompt == sent
    new = shown + "\nNow {with} braces, {% and % signs}"[: 28 if form != "f-string" else None]
    _, (asked,) = await ran(prompt, vary={"user": ["Other {{ text }}", new]}, levels={"user": new})
    assert asked.prompt == sent + new.removeprefix(shown)


@pytest.mark.parametrize(
    ("form", "template"),
    [
        ("jinja2", "{% if text %}{{ text }}{% endif %}"),
        ("jinja2", "{{ text | upper }}"),
        ("mustache", "{{#text}}a{{/text}}"),
        ("f-string", "{text!r} {text}"),
        ("f-string", "{{{{text}}}}"),
    ],
)
async def test_a_text_that_says_more_is_left_as_it_is(form: Any, template: str):
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Be brief."), ("human", template)], template_format=form
    )
    assert spelled(pl.from_langchain(prompt))[1] == {"user": "{{ user }}"}
    with pytest.raises(InputError, match="'user' cannot vary"):
        pl.from_langchain(prompt, vary=["user"])
    _, (asked,) = await ran(prompt, vary={"system": ["Other."]}, levels={"system": "Other."})
    assert (
        asked.request.messages[1].content
        == prompt.invoke({"text": ROW["text"]}).messages[1].content
    )


def test_html_escaping_is_told():
    with pytest.warns(UserWarning, match=r"\{\{text\}\} HTML-escapes its value"):
        pl.from_langchain(PromptTemplate.from_template("{{text}}", template_format="mustache"))


async def test_all_ways_through_a_chain_are_followed():
    ask = llm()
    used = ChatPromptTemplate([("human", "inner {text}")], name="inner") | ask

    def route(row: dict[str, Any]) -> Any:
        return used.invoke(row).text

    async def again(text: str) -> Any:
        return (await used.ainvoke({"text": text})).text

    one = PromptTemplate.from_template("one {text}", name="one") | ask.with_retry()
    two = PromptTemplate.from_template("two {text}").with_config(run_name="two") | ask
    branch = RunnableBranch((lambda row: "<b>" in row["text"], one), two)
    chain = {
        "a": branch | StrOutputParser(),
        "b": RunnableLambda(route) | again,
    } | RunnablePassthrough()
    space = pl.from_langchain(chain)
    assert set(space.prompts) == {"one", "inner", "two"}
    vary = {"inner.user": ["changed {{ text }}"]}
    output, asked = await ran(
        chain, vary=vary, levels={"inner.user": "changed {{ text }}"}, answers=lambda a: a.prompt
    )
    assert output == {"a": f"one {ROW['text']}", "b": f"changed changed {ROW['text']}"}
    assert sorted(one.step for one in asked) == ["inner", "inner", "one"]


# What is asked


async def test_parameters_of_the_model_and_of_bindings_are_sent():
    chain = CHAT | llm(temperature=0, seed=4, top_p=0.5).bind(stop=["\n"], max_tokens=9)
    _, (asked,) = await ran(chain)
    sent = {"temperature": 0, "seed": 4, "top_p": 0.5, "stop": ["\n"], "max_tokens": 9}
    assert dict(asked.request.parameters) == sent


async def test_a_parameter_that_is_not_sent_is_named():
    with pytest.raises(CallFailed, match="logit_bias to its model, which promptlathe does not"):
        await ran(CHAT | llm().bind(logit_bias={1: 2}))
    with pytest.raises(CallFailed, match="ChatOpenAI passes logit_bias"):
        await ran(CHAT | llm(logit_bias={1: 2}))


class Verdict(BaseModel):
    team: str
    sure: bool


async def test_structured_outputs():
    said = '{"team": "billing", "sure": true}'
    output, (asked,) = await ran(CHAT | llm().with_structured_output(Verdict), answers=said)
    assert output == {"team": "billing", "sure": True}
    form = dict(asked.request.parameters)["response_format"]
    assert form["json_schema"]["name"] == "Verdict"
    output, _ = await ran(CHAT | llm() | JsonOutputParser(), answers=said)
    assert output == {"team": "billing", "sure": True}


@tool
def refund(order: str) -> str:
    """Gives the money back."""
    return f"refunded {order}"


CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "refund", "arguments": '{"order": "7"}'},
}


async def test_tools():
    from promptlathe.records import Answer

    output, (asked,) = await ran(
        CHAT | llm().bind_tools([refund]), answers=Answer("", tool_calls=(CALL,))
    )
    assert output == [CALL]
    (sent,) = dict(asked.request.parameters)["tools"]
    assert sent["function"]["name"] == "refund"


async def test_messages_of_a_conversation_are_sent_as_they_are():
    history = [
        {"role": "user", "content": "Hi {text}"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "done", "tool_call_id": "c1"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}},
            ],
        },
    ]
    _, (asked,) = await ran(CHAT | llm(), row={**ROW, "history": history})
    said, call, done, look = asked.request.messages[2:6]
    assert said.content == "Hi {text}"
    assert call.to_dict()["tool_calls"] == [CALL]
    assert done.to_dict() == {"role": "tool", "content": "done", "tool_call_id": "c1"}
    assert (look.text, look.images[0].url) == ("look", "https://a.b/c.png")


async def test_who_asks_again_gets_another_answer():
    def parse(message: AIMessage) -> str:
        if message.text != "third":
            raise ValueError("unread")
        return message.text

    answers = iter(["first", "second", "third"])
    chain = (CHAT | llm() | parse).with_retry(wait_exponential_jitter=False)
    output, asked = await ran(chain, answers=lambda _: next(answers))
    assert output == "third"
    assert [one.request.repeat for one in asked] == [0, 1, 2]


async def test_what_waits_in_async_code_is_told():
    ask = llm()

    async def step(value: Any) -> Any:
        return ask.invoke(value)

    with pytest.raises(CallFailed, match="use its async method"):
        await ran(CHAT | step)


async def test_streaming_and_batches_work():
    ask = llm()

    async def spread(value: Any) -> str:
        pieces = [piece.text async for piece in ask.astream(value)]
        both = await ask.abatch([value, "other"])
        return "|".join([*pieces, *(one.text for one in both)])

    output, asked = await ran(CHAT | spread, answers=lambda asked: asked.prompt[-5:])
    assert output == "Well,|Well,|other"
    assert len(asked) == 3


# What is refused before any call


class Holder:
    def __init__(self) -> None:
        self.chain = CHAT | llm()

    def use(self, row: Any) -> Any:
        return self.chain.invoke(row)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (RunnableLambda(Holder().use), "attribute of something else"),
        (llm() | StrOutputParser(), "no prompt was found"),
        ("a text", "str is no object of LangChain"),
        (None, "NoneType is no object of LangChain"),
    ],
)
def test_what_has_no_prompt_is_refused(given: Any, said: str):
    with pytest.raises(InputError, match=said):
        pl.from_langchain(given)


EMPTY = {"vary": {"system": "{{ role }}"}, "components": {"role": pl.Choice([None, "a"])}}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"vary": ["sytem"]}, "no text 'sytem'\n.*did you mean 'system'"),
        ({"vary": ["zzz"]}, "it has: system .Fixed"),
        ({"vary": ["history"]}, "'history' cannot vary: it is no text"),
        ({"vary": 3}, "`vary` is the number 3"),
        ({"vary": {"system": 3}}, "'system' cannot be the number 3"),
        ({"vary": {"system": pl.Int(1, 2)}}, "'system' cannot be"),
        ({"vary": {"system": [None, "a"]}}, "'system' may become empty"),
        (EMPTY, "may become empty"),
        ({"vary": {"system": "{{ customer }}"}}, "the prompt is given history, text, tone"),
        ({"components": {"role": pl.Choice(["a", "b"])}}, "places the component 'role'"),
        ({"components": 3}, "`components` is the number 3"),
    ],
)  # fmt: skip
def test_what_cannot_vary_is_told(more: dict[str, Any], said: str):
    with pytest.raises(InputError, match=said):
        pl.from_langchain(CHAT, **more)


def test_a_space_of_something_else_is_refused(tmp_path: Path):
    space = pl.SearchSpace("{{ a }} {{ text }}", {"a": pl.Choice(["b", "c"])})
    for given in (space, {"plan": space}):
        with pytest.raises(InputError, match=r"in the space, and|and the target has"):
            pl.optimize(given, OBJECTIVE, target=CHAT | llm(), track=False, workspace=tmp_path)
    with pytest.raises(InputError, match="give the object that the space was made from"):
        applied(CHAT, seed(space))
    with pytest.raises(InputError, match="is no target"):
        pl.optimize(space, OBJECTIVE, target=3, track=False, workspace=tmp_path)


# A whole run, and the tuned chain back

RULES = (starter() / "search_spaces/order_replies/rules.md").read_text("utf-8").strip()
DECIDE = "Answer with one of these words only: refund, replace, wait, decline, ask_details."


def shop_chain(base_url: str) -> Any:
    ask = llm(base_url, temperature=0)
    plan = ChatPromptTemplate(
        [("system", "Which rule is it?"), ("human", "{facts}\nMessage: {message}")], name="plan"
    )
    answer = PromptTemplate.from_template(
        "Decide.\nNote of a colleague: {plan}\nMessage: {message}\n", name="answer"
    )
    steps = RunnablePassthrough.assign(plan=plan | ask | StrOutputParser())
    return steps | answer | ask | StrOutputParser()


VARY: dict[str, Any] = {
    "plan.system": ["Rules of the shop: {all of them}", "Look closely."],
    "answer.user": "{{ form }}\n{{ shots }}\nNote of a colleague: {{ plan }}\n"
    "Message: {{ message }}",
}
COMPONENTS = {
    "answer.form": pl.Choice(["Decide.", DECIDE]),
    "answer.shots": pl.Demos(count=(0, 2), template="Say {{ decision }}, not {guess}."),
}


@pytest.fixture(scope="module")
def tuned(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Result, ScriptedServer, Path]]:
    folder = tmp_path_factory.mktemp("langchain")
    with ScriptedServer(shop) as server:
        chain = shop_chain(server.base_url)
        result = pl.optimize(
            pl.from_langchain(chain, vary=VARY, components=COMPONENTS),
            OBJECTIVE,
            target=chain,
            model=model(server),
            budget=pl.Budget(calls=400),
            parallel=parallel("local", 4),
            track=False,
            workspace=folder,
        )
        check_account(result, server, calls=400)
        yield result, server, folder


def test_a_run_finds_the_best_levels(tuned: tuple[Result, ScriptedServer, Path]):
    result, server, _ = tuned
    assert (result.verdict, result.test.best) == ("better", 1)
    assert result.best.levels["plan.system"].startswith("Rules of the shop")
    assert result.best.levels["answer.form"] == DECIDE
    assert set(steps_sent(server)) == {"plan", "answer"}


def body(arrived: Arrived) -> Any:
    told = ("messages", "temperature", "model")
    return {name: arrived.body.get(name) for name in told}


def test_the_tuned_chain_sends_what_was_scored(tuned: tuple[Result, ScriptedServer, Path]):
    """Byte for byte, through LangChain's own client; and as it was, before it is tuned."""
    result, server, _ = tuned
    chain = shop_chain(server.base_url)
    scored = [body(arrived) for arrived in server.arrived]
    rows = [dict(example.row) for example in OBJECTIVE.examples("test")[:5]]
    for given in (chain, result.apply(chain)):
        before = len(server.arrived)
        for row in rows:
            given.invoke(row)
        sent = [body(arrived) for arrived in server.arrived[before:]]
        assert len(sent) == 2 * len(rows)
        assert all(one in scored for one in sent)
    assert chain.invoke(rows[0]) != result.apply(chain).invoke(rows[0]) or result.test.gain < 1


def test_applying_again_changes_nothing(tuned: tuple[Result, ScriptedServer, Path]):
    result, server, _ = tuned
    once = result.apply(shop_chain(server.base_url))
    assert pl.from_langchain(once) == pl.from_langchain(result.apply(once))
    assert pl.from_langchain(once) != pl.from_langchain(shop_chain(server.base_url))


APP = """
from tests.test_langchain import COMPONENTS, VARY, shop_chain
import promptlathe as pl
chain = shop_chain("http://127.0.0.1:9/v1")
space = pl.from_langchain(chain, vary=VARY, components=COMPONENTS)
number = 3
"""


def run_file(folder: Path, url: str, **more: str) -> Path:
    (folder / "app.py").write_text(APP, "utf-8")
    keys = {"space": "app.py:space", "target": "app.py:chain", **more}
    lines = [f"{key}: {value}" for key, value in keys.items()]
    lines += [
        f"objective: {FACTS}",
        f'model: {{name: shop, base_url: "{url}", max_tokens: 60, retries: 0}}',
        "budget: {calls: 400}",
        "parallel: {concurrency: 4}",
        "track: false",
    ]
    (folder / "run.yaml").write_text("\n".join(lines), "utf-8")
    return folder / "run.yaml"


def test_from_a_run_file_all_is_in_the_ledger(tuned: tuple[Result, ScriptedServer, Path]):
    """The same job: each of its calls is there already."""
    result, server, folder = tuned
    before = len(server.arrived)
    again = run(Job.load(run_file(folder, server.base_url), workspace=folder))
    assert again.best.candidate == result.best.candidate
    assert len(server.arrived) - before < 40


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"target": "app.py:number"}, "the number 3 is no target"),
        ({"target": "app.py:chian"}, "has no 'chian'\n.*did you mean 'chain'"),
        ({"target": "app.py"}, "names no function"),
        ({"target": "apps.py:chain"}, "there is no file"),
        ({"space": "app.py:number"}, "is the number 3, and no space"),
        ({"space": "app.py:spcae"}, "did you mean 'space'"),
        ({"space": f"{starter()}/search_spaces/order_plan.yaml"}, "and the target has"),
    ],
)
def test_what_a_run_file_gets_wrong(tmp_path: Path, more: dict[str, str], said: str):
    with pytest.raises(InputError, match=said) as caught:
        Job.load(run_file(tmp_path, "http://127.0.0.1:9/v1", **more))
    assert "run.yaml" in str(caught.value) or "app.py" in str(caught.value)
