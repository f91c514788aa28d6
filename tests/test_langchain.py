"""Chains of LangChain: their space, themselves as target, and the tuned chain back."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.orders import FACTS, OBJECTIVE, check_account, model, parallel, shop, steps_sent

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job, Result, run
from promptlathe.records import Answer, Json, Prompt
from promptlathe.runtime.evaluator import Target
from promptlathe.runtime.seam import CallFailed
from promptlathe.scoring.loading import load_object
from promptlathe.space import BoundSpace
from promptlathe.starter import starter
from promptlathe.targets.frameworks import PACKAGES, applied, target_of
from promptlathe.testing.contexts import Asked, ScriptedContext
from promptlathe.testing.scripted import Arrived, ScriptedServer
from promptlathe.testing.targets import TargetSuite

ROW = {"text": "The <b>parcel</b> & {x}", "tags": ["a"], "tone": "calm"}


@pytest.fixture(scope="module")
def lc() -> ModuleType:
    """The chains of tests/langchain_chains.py."""
    return pytest.importorskip("tests.langchain_chains", exc_type=ImportError)


def seed(space: pl.SearchSpace) -> Mapping[str, Prompt]:
    return BoundSpace(space, ()).seed.prompts


def spelled(space: pl.SearchSpace) -> list[dict[str, str]]:
    return space.to_dict()["messages"]


async def ran(
    chain: Any,
    *,
    vary: Any = (),
    levels: Mapping[str, Any] | None = None,
    row: Mapping[str, Json] = ROW,
    answers: Any = "said",
) -> tuple[Json, list[Asked]]:
    """The output for a row, and what was asked."""
    space = pl.from_langchain(chain, vary=vary)
    prompts = BoundSpace(space, ()).candidate({**space.seed_levels, **(levels or {})}).prompts
    ctx = ScriptedContext(answers if callable(answers) else lambda asked: answers)
    target = target_of(chain)
    target.check(space)
    return await target.run(prompts, row, ctx), ctx.asked


class TestChain(TargetSuite):
    """Two prompts; what would catch the end of a cell."""

    @pytest.fixture(autouse=True)
    def _chain(self, lc: ModuleType) -> None:
        self.chain = lc.two_prompts()

    def prompts(self) -> Mapping[str, Prompt]:
        made = seed(pl.from_langchain(self.chain))
        return {
            "plan": Prompt(made["plan"].messages, (("seed", 1),)),
            "answer": Prompt(made["answer"].messages, (("temperature", 0.5),)),
        }

    def target(self) -> Target:
        return target_of(self.chain)


# Every prompt of a chain is found, and every text of a prompt


def test_every_text_of_a_chat_prompt_is_found_and_frozen(lc: ModuleType):
    space = pl.from_langchain(lc.CHAT.partial(tone="calm"))
    assert space.size.count == 1
    assert spelled(space) == [
        {"system": "Fixed {as it stands}."},
        {"system": 'Be {{ tone }}. JSON: {"a": 1}'},
        {"user": "{{ history }}"},
        {"user": "{{ text }}"},
        {"assistant": "Well,"},
    ]


def test_every_text_of_few_shot_prompts_is_found(lc: ModuleType):
    assert spelled(pl.from_langchain(lc.FEW)) == [
        {"user": "Solve."},
        {"user": "{{ q }} is {{ a }}"},
        {"user": "{{ text }} is"},
    ]
    assert spelled(pl.from_langchain(lc.FEW_CHAT)) == [
        {"system": "Solve."},
        {"user": "{{ q }}"},
        {"assistant": "{{ a }}"},
        {"user": "{{ text }}"},
    ]


async def test_texts_of_few_shot_prompts_vary(lc: ModuleType):
    levels = {"prefix": "Add up.", "example": "{{ q }} = {{ a }}"}
    vary = {name: [level] for name, level in levels.items()}
    _, (asked,) = await ran(lc.FEW, vary=vary, levels=levels, row={"text": "2+2"})
    assert asked.prompt == "Add up.\n\n1+1 = 2\n\n2+2 is"
    levels = {"example_assistant": "It is {{ a }}."}
    vary = {name: [level] for name, level in levels.items()}
    _, (asked,) = await ran(lc.FEW_CHAT, vary=vary, levels=levels, row={"text": "2+2"})
    assert [m.content for m in asked.request.messages] == ["Solve.", "1+1", "It is 2.", "2+2"]


TEXT = ROW["text"]
LANGUAGES = [
    ("f-string", "{text:.5} {{}}", "{{ text }} {}", "The < {}"),
    ("mustache", "{{{text}}} {}", "{{ text }} {}", f"{TEXT} {{}}"),
    ("mustache", "{{ text }}", "{{ text }}", "The &lt;b&gt;parcel&lt;/b&gt; &amp; {x}"),
    ("jinja2", "{{text}} {}", "{{ text }} {}", f"{TEXT} {{}}"),
]


@pytest.mark.parametrize(("form", "template", "shown", "sent"), LANGUAGES)
@pytest.mark.filterwarnings("ignore:the mustache variable")
async def test_template_languages(lc: ModuleType, form: Any, template: str, shown: str, sent: str):
    """What the chain fills in its own way, it fills in so for a new text, too."""
    prompt = lc.PromptTemplate.from_template(template, template_format=form)
    assert spelled(pl.from_langchain(prompt)) == [{"user": shown}]
    _, (asked,) = await ran(prompt)
    assert asked.prompt == sent
    new = f"{shown}\nNow {{with}} braces, 5 % {{#"
    _, (asked,) = await ran(prompt, vary={"user": [new]}, levels={"user": _name(new)})
    assert asked.prompt == sent + new.removeprefix(shown)


def _name(text: str) -> str:
    return " ".join(text.split())


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
async def test_a_text_that_says_more_is_left_as_it_is(lc: ModuleType, form: Any, template: str):
    prompt = lc.ChatPromptTemplate.from_messages(
        [("system", "Be brief."), ("human", template)], template_format=form
    )
    assert spelled(pl.from_langchain(prompt))[1] == {"user": "{{ user }}"}
    with pytest.raises(InputError, match="'user' cannot vary"):
        pl.from_langchain(prompt, vary=["user"])
    _, (asked,) = await ran(prompt, vary={"system": ["Other."]}, levels={"system": "Other."})
    as_before = prompt.invoke({"text": TEXT}).messages[1].content
    assert [m.content for m in asked.request.messages] == ["Other.", as_before]


def test_html_escaping_is_told(lc: ModuleType):
    with pytest.warns(UserWarning, match=r"\{\{text\}\} HTML-escapes its value"):
        pl.from_langchain(lc.PromptTemplate.from_template("{{text}}", template_format="mustache"))


async def test_all_ways_through_a_chain_are_followed(lc: ModuleType):
    chain = lc.winding()
    assert set(pl.from_langchain(chain).prompts) == {"one", "inner", "two"}
    assert set(pl.from_langchain(chain, vary=["two.user"]).prompts) == {"two"}
    level = "changed {{ text }}"
    output, asked = await ran(
        chain,
        vary={"inner.user": [level]},
        levels={"inner.user": level},
        answers=lambda asked: asked.prompt,
    )
    assert output == {"a": f"one {TEXT}", "b": f"changed changed {TEXT}"}
    assert sorted(one.step for one in asked) == ["", "inner", "inner"]


# What is asked


async def test_parameters_of_the_model_and_of_bindings_are_sent(lc: ModuleType):
    ask = lc.llm(temperature=0, seed=4, top_p=0.5)
    _, (asked,) = await ran(lc.CHAT | ask.bind(stop=["\n"], max_tokens=9))
    sent = {"temperature": 0, "seed": 4, "top_p": 0.5, "stop": ["\n"], "max_tokens": 9}
    assert dict(asked.request.parameters) == sent


async def test_a_parameter_that_is_not_sent_is_named(lc: ModuleType):
    with pytest.raises(CallFailed, match="logit_bias to its model, which promptlathe does not"):
        await ran(lc.CHAT | lc.llm().bind(logit_bias={1: 2}))
    with pytest.raises(CallFailed, match="ChatOpenAI passes logit_bias"):
        await ran(lc.CHAT | lc.llm(logit_bias={1: 2}))


async def test_structured_outputs(lc: ModuleType):
    said = '{"team": "billing", "sure": true}'
    chain = lc.CHAT | lc.llm().with_structured_output(lc.Verdict)
    output, (asked,) = await ran(chain, answers=said)
    assert output == {"team": "billing", "sure": True}
    form = dict(asked.request.parameters)["response_format"]
    assert form["json_schema"]["name"] == "Verdict"


ARGUMENTS = '{"order": "7"}'
CALL = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": ARGUMENTS}}


async def test_tools(lc: ModuleType):
    chain = lc.CHAT | lc.llm().bind_tools([lc.refund])
    output, (asked,) = await ran(chain, answers=Answer("", tool_calls=(CALL,)))
    assert output == [CALL]
    (sent,) = dict(asked.request.parameters)["tools"]
    assert sent["function"]["name"] == "refund"


async def test_messages_of_a_conversation_are_sent_as_they_are(lc: ModuleType):
    picture = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
    history = [
        {"role": "user", "content": "Hi {text}"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "done", "tool_call_id": "c1"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, picture]},
    ]
    _, (asked,) = await ran(lc.CHAT | lc.llm(), row={**ROW, "history": history})
    said, call, done, look = asked.request.messages[2:6]
    assert said.content == "Hi {text}"
    assert call.to_dict()["tool_calls"] == [CALL]
    assert done.to_dict() == {"role": "tool", "content": "done", "tool_call_id": "c1"}
    assert (look.text, look.images[0].url) == ("look", "https://a.b/c.png")


async def test_who_asks_again_gets_another_answer(lc: ModuleType):
    def parse(message: Any) -> str:
        if message.text != "third":
            raise ValueError("unread")
        return message.text

    answers = iter(["first", "second", "third"])
    chain = (lc.CHAT | lc.llm() | parse).with_retry(wait_exponential_jitter=False)
    output, asked = await ran(chain, answers=lambda _: next(answers))
    assert output == "third"
    assert [one.request.repeat for one in asked] == [0, 1, 2]


async def test_what_waits_in_async_code_is_told(lc: ModuleType):
    ask = lc.llm()

    async def step(value: Any) -> Any:
        return ask.invoke(value)

    with pytest.raises(CallFailed, match="use its async method"):
        await ran(lc.CHAT | step)


async def test_streaming_and_batches_work(lc: ModuleType):
    ask = lc.llm()

    async def spread(value: Any) -> str:
        pieces = [piece.text async for piece in ask.astream(value)]
        both = await ask.abatch([value, "other"])
        return "|".join([*filter(None, pieces), *(one.text for one in both)])

    output, asked = await ran(lc.CHAT | spread, answers=lambda asked: asked.prompt[-5:])
    assert output == "Well,|Well,|other"
    assert len(asked) == 3


async def test_how_a_chain_is_used_may_be_said(lc: ModuleType):
    chain = lc.CHAT | lc.llm()
    target = pl.calling(chain, lambda chain, row: chain.invoke({**row, "tone": "grim"}).text)
    ctx = ScriptedContext(lambda asked: "said")
    assert await target.run(seed(pl.from_langchain(chain)), {"text": "a"}, ctx) == "said"
    assert "Be grim." in ctx.asked[0].prompt


# What is refused before any call


def test_what_has_no_prompt_is_refused(lc: ModuleType):
    for given, said in (
        (lc.RunnableLambda(lc.Holder().use), "attribute of something else"),
        (lc.llm() | lc.StrOutputParser(), "no prompt was found"),
        ("a text", "str is no object of LangChain"),
        (None, "NoneType is no object of LangChain"),
    ):
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
        (EMPTY, "'system' may become empty"),
        ({"vary": {"system": "{{ customer }}"}}, "the prompt is given history, text, tone"),
        ({"components": {"role": pl.Choice(["a", "b"])}}, "places the component 'role'"),
        ({"components": 3}, "`components` is the number 3"),
    ],
)
def test_what_cannot_vary_is_told(lc: ModuleType, more: dict[str, Any], said: str):
    with pytest.raises(InputError, match=said):
        pl.from_langchain(lc.CHAT, **more)


def test_a_space_of_something_else_is_refused(lc: ModuleType, tmp_path: Path):
    space = pl.SearchSpace("{{ a }} {{ text }}", {"a": pl.Choice(["b", "c"])})
    for given in (space, {"plan": space}):
        with pytest.raises(InputError, match=r"in the space, and|and the target has"):
            pl.optimize(given, OBJECTIVE, target=lc.CHAT, track=False, workspace=tmp_path)
    with pytest.raises(InputError, match="give the object that the space was made from"):
        applied(lc.CHAT, seed(space))
    with pytest.raises(InputError, match="is no target"):
        pl.optimize(space, OBJECTIVE, target=3, track=False, workspace=tmp_path)


def test_models_of_several_names_are_told(lc: ModuleType):
    one, two = lc.llm(), lc.ChatOpenAI(model="other", api_key="none")
    chain = lc.CHAT | {"a": one, "b": two, "c": one}
    with pytest.warns(UserWarning, match="the models other, shop: in a run, `model` answers"):
        target_of(chain).check(pl.from_langchain(chain))


APP = """
from tests.langchain_chains import COMPONENTS, VARY, shop_chain
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
        f"budget: {{calls: {CALLS}}}",
        "track: false",
    ]
    (folder / "run.yaml").write_text("\n".join(lines), "utf-8")
    return folder / "run.yaml"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"target": "app.py:number"}, "the number 3 is no target"),
        ({"target": "app.py:chian"}, "has no 'chian'\n.*did you mean 'chain'"),
        ({"target": "app.py"}, "names no function"),
        ({"target": "apps.py:chain"}, "there is no such file"),
        ({"space": "app.py:number"}, "is the number 3, and no space"),
        ({"space": "app.py:spcae"}, "did you mean 'space'"),
        ({"space": f"{starter()}/search_spaces/order_plan.yaml"}, "and the target has"),
    ],
)
def test_what_a_run_file_gets_wrong(
    lc: ModuleType, tmp_path: Path, more: dict[str, str], said: str
):
    with pytest.raises(InputError, match=said) as caught:
        Job.load(run_file(tmp_path, "http://127.0.0.1:9/v1", **more))
    assert "run.yaml" in str(caught.value) or ".py" in str(caught.value)


# A whole run, and the tuned chain back

CALLS = 300


@pytest.fixture(scope="module")
def tuned(
    lc: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Result, ScriptedServer]]:
    with ScriptedServer(shop) as server:
        chain = lc.shop_chain(server.base_url)
        result = pl.optimize(
            pl.from_langchain(chain, vary=lc.VARY, components=lc.COMPONENTS),
            OBJECTIVE,
            target=chain,
            model=model(server),
            budget=pl.Budget(calls=CALLS),
            parallel=parallel("local", 4),
            track=False,
            workspace=tmp_path_factory.mktemp("langchain"),
        )
        check_account(result, server, calls=CALLS)
        yield result, server


@pytest.mark.slow
def test_a_run_finds_the_best_levels(lc: ModuleType, tuned: tuple[Result, ScriptedServer]):
    result, server = tuned
    assert (result.verdict, result.test.best) == ("better", 1)
    assert result.best.levels["plan.system"].startswith("Rules of the shop")
    assert lc.DECIDE in result.best.prompts["answer"].messages[0].text
    assert set(steps_sent(server)) == {"plan", "answer"}


def body(arrived: Arrived) -> Any:
    return {name: arrived.body.get(name) for name in ("messages", "temperature", "model")}


@pytest.mark.slow
def test_the_tuned_chain_sends_what_was_scored(
    lc: ModuleType, tuned: tuple[Result, ScriptedServer]
):
    """Byte for byte, through LangChain's own client; so does the chain as it was."""
    result, server = tuned
    chain = lc.shop_chain(server.base_url)
    scored = [body(arrived) for arrived in server.arrived]
    for given in (chain, result.apply(chain)):
        same = 0
        for example in OBJECTIVE.examples("test"):
            before = len(server.arrived)
            given.invoke(dict(example.row))
            sent = [body(arrived) for arrived in server.arrived[before:]]
            same += len(sent) == 2 and all(one in scored for one in sent)
        assert same >= result.test.examples >= 8
    once = result.apply(chain)
    assert pl.from_langchain(once) == pl.from_langchain(result.apply(once))
    assert pl.from_langchain(once) != pl.from_langchain(chain)


@pytest.mark.slow
def test_a_run_file_does_the_same(lc: ModuleType, tmp_path: Path):
    with ScriptedServer(shop) as server:
        result = run(Job.load(run_file(tmp_path, server.base_url)))
        check_account(result, server, calls=CALLS)
    assert result.verdict == "better"
    assert result.best.levels["plan.system"].startswith("Rules of the shop")


@pytest.mark.slow
def test_the_shipped_run_file_runs(lc: ModuleType, tmp_path: Path):
    with ScriptedServer(shop) as server:
        by_hand = {"model.base_url": server.base_url, "budget.calls": "400", "track": "false"}
        job = Job.load(
            starter() / "runs/langchain_chain.yaml",
            settings=tuple(by_hand.items()),
            workspace=tmp_path,
        )
        result = run(job)
        check_account(result, server, calls=400)
    assert result.verdict == "better"
    assert result.best.levels["answer.format"] != "none"
    assert result.best.levels["plan.rules"] != "none"


# Without LangChain


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for extra, make in (
        ("langchain", pl.from_langchain),
        ("llama-index", pl.from_llama_index),
        ("dspy", pl.from_dspy),
    ):
        monkeypatch.setitem(PACKAGES, extra, "there_is.no_such_package")
        with pytest.raises(InputError, match=rf"pip install 'promptlathe\[{extra}\]'"):
            make(object(), vary=["system"])
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    (tmp_path / "chain.py").write_text("x = 1\nimport langchain_core\n", "utf-8")
    with pytest.raises(InputError, match=r"pip install 'promptlathe\[langchain\]'") as caught:
        load_object("chain.py:x", tmp_path)
    assert "chain.py:2" in str(caught.value)
