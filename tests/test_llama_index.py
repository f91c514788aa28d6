"""Query engines of LlamaIndex: their space, themselves as target, and the tuned engine back."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.jobs import OBJECTIVE, ROWS
from tests.orders import check_account, lucky, model, parallel

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.records import Json, Prompt
from promptlathe.runtime.evaluator import Target
from promptlathe.runtime.seam import CallFailed
from promptlathe.space import BoundSpace
from promptlathe.targets.frameworks import applied, target_of
from promptlathe.testing.contexts import Asked, ScriptedContext
from promptlathe.testing.scripted import Arrived, ScriptedServer
from promptlathe.testing.targets import TargetSuite

pytestmark = pytest.mark.slow  # importing LlamaIndex takes seconds
QA = "text_qa_template.user"
NEW = 'Teams {so}: {{ context_str }} {"a": 1}\nQ: {{ query_str }}'


@pytest.fixture(scope="module")
def li() -> ModuleType:
    """The engines of tests/llama_engines.py."""
    return pytest.importorskip("tests.llama_engines", exc_type=ImportError)


def query(engine: Any, row: Mapping[str, Json]) -> Any:
    return engine.query(row["text"])


async def aquery(engine: Any, row: Mapping[str, Json]) -> Any:
    return await engine.aquery(row["text"])


def prompts_of(space: pl.SearchSpace, **levels: Any) -> Mapping[str, Prompt]:
    return BoundSpace(space, ()).candidate({**space.seed_levels, **levels}).prompts


async def ran(engine: Any, use: Any = query, vary: Any = (), **levels: str) -> list[Asked]:
    """What is asked for a row."""
    space = pl.from_llama_index(engine, vary=vary)
    ctx = ScriptedContext(lambda asked: "said")
    target = pl.calling(engine, use)
    target.check(space)
    assert await target.run(prompts_of(space, **levels), {"text": "What?"}, ctx) == "said"
    return ctx.asked


class TestEngine(TargetSuite):
    use = staticmethod(query)

    @pytest.fixture(autouse=True)
    def _engine(self, li: ModuleType) -> None:
        self.engine = li.engine()

    def prompts(self) -> Mapping[str, Prompt]:
        space = pl.from_llama_index(self.engine, vary=[QA])
        made = prompts_of(space)["text_qa_template"]
        return {"text_qa_template": Prompt(made.messages, (("temperature", 0.5),))}

    def target(self) -> Target:
        return pl.calling(self.engine, self.use)


class TestAsyncEngine(TestEngine):
    use = staticmethod(aquery)


def test_every_prompt_is_found_and_frozen(li: ModuleType):
    space = pl.from_llama_index(li.engine())
    names = ["text_qa_template", "refine_template"]
    assert list(space.prompts)[:2] == names
    assert space.size.count == 1
    system, user = space.prompts["text_qa_template"].messages  # of the variant for chat models
    assert system.role == "system"
    assert "{{ context_str }}" in user.text
    (user,) = pl.from_llama_index(li.engine(li.Service(chats=False))).parts[names[0]].messages
    assert "{{ context_str }}" in user.text


async def test_a_new_text_is_asked_and_the_engine_stays_as_it_is(li: ModuleType):
    for chats in (True, False):
        engine = li.engine(li.Service(chats=chats))
        before = {name: str(one) for name, one in engine.get_prompts().items()}
        (asked,) = await ran(engine, vary={QA: [NEW]}, **{QA: " ".join(NEW.split())})
        assert "Teams {so}: Teams: billing, delivery, login {or} so." in asked.prompt
        assert '{"a": 1}\nQ: What?' in asked.prompt
        assert asked.step == "text_qa_template"
        assert len(asked.request.messages) == 1 + chats
        assert dict(asked.request.parameters) == {"temperature": 0.0}
        assert {name: str(one) for name, one in engine.get_prompts().items()} == before


async def test_a_text_that_would_be_filled_in_is_refused(li: ModuleType):
    """LlamaIndex has no way to write {query_str} and mean it."""
    bad = "{{ context_str }} {{ query_str }} {query_str}"
    with pytest.raises(CallFailed, match="cannot be meant as it stands"):
        await ran(li.engine(), vary={QA: [bad]}, **{QA: bad})


async def test_prompts_without_an_engine_are_one_call(li: ModuleType):
    for prompt, shown in (
        (li.PromptTemplate("Say {text}."), [{"user": "Say {{ text }}."}]),
        (li.RichPromptTemplate("Say {{ text }}."), [{"user": "Say {{ text }}."}]),
        (
            li.ChatPromptTemplate.from_messages([("system", "Be kind."), ("user", "Say {text}.")]),
            [{"system": "Be kind."}, {"user": "Say {{ text }}."}],
        ),
    ):
        space = pl.from_llama_index(prompt)
        assert space.to_dict()["messages"] == shown
        ctx = ScriptedContext(lambda asked: "said")
        assert await target_of(prompt).run(prompts_of(space), {"text": "a"}, ctx) == "said"
        assert ctx.asked[0].prompt.endswith("Say a.")
        new = "Tell {{ text }}!"
        space = pl.from_llama_index(prompt, vary={"user": [new]})
        tuned = applied(prompt, prompts_of(space, user=new))
        assert (
            tuned.format(text="a").strip().endswith("Tell a!" if len(shown) == 1 else "assistant:")
        )
        assert "Tell" not in prompt.format(text="a")


def test_what_is_refused(li: ModuleType, tmp_path: Path):
    engine = li.engine()
    space = pl.from_llama_index(engine, vary={QA: [NEW]})
    with pytest.raises(InputError, match="not said which field of a row"):
        pl.optimize(space, OBJECTIVE, target=engine, track=False, workspace=tmp_path)
    with pytest.raises(InputError, match=r"no text 'text_qa_templat\.user'\n.*did you mean"):
        pl.from_llama_index(engine, vary=["text_qa_templat.user"])
    with pytest.raises(InputError, match="no prompt was found"):
        pl.from_llama_index(li.Notes())
    with pytest.raises(InputError, match="no prompt was found in this SimpleChatEngine"):
        pl.from_llama_index(li.SimpleChatEngine.from_defaults(llm=li.Service()))
    with pytest.raises(InputError, match="is no object of LlamaIndex"):
        pl.from_llama_index(OBJECTIVE)
    with pytest.raises(InputError, match="needs a function"):
        pl.calling(engine, 3)  # type: ignore[arg-type]
    deaf = li.Deaf()
    space = pl.from_llama_index(deaf, vary={"user": ["Tell {{ text }}."]})
    with pytest.raises(InputError, match="Deaf did not take the prompt 'prompt'"):
        applied(deaf, prompts_of(space, user="Tell {{ text }}."))


# A whole run, and the tuned engine back

ONLY = "Answer with the team only."
CALLS = 300


def teams(arrived: Arrived) -> str:
    """Right for those who are told to name the team only, and else now and then."""
    row = next(row for row in ROWS if str(row["text"]) in arrived.prompt)
    good = ONLY in arrived.prompt or lucky({"id": row["text"]}, 4, "teams")
    return str(row["label"]) if good else "Let me think."


def test_a_run_and_the_tuned_engine_back(li: ModuleType, tmp_path: Path):
    """Byte for byte at the server what was scored."""
    with ScriptedServer(teams) as server:
        engine = li.engine(li.Service(base_url=server.base_url))
        form = "{{ form }}\n{{ context_str }}\n{{ query_str }}"
        result = pl.optimize(
            pl.from_llama_index(
                engine,
                vary={QA: form},
                components={"text_qa_template.form": pl.Choice(["Say the team.", ONLY, "Think."])},
            ),
            OBJECTIVE,
            target=pl.calling(engine, query),
            model=model(server),
            budget=pl.Budget(calls=CALLS),
            parallel=parallel("local", 4),
            track=False,
            workspace=tmp_path,
        )
        check_account(result, server, calls=CALLS)
        assert (result.verdict, result.test.best) == ("better", 1)
        assert list(result.best.levels.values()) == [ONLY]
        scored = [arrived.body["messages"] for arrived in server.arrived]
        tuned = result.apply(engine)
        for example in OBJECTIVE.examples("test")[:5]:
            assert str(tuned.query(example.row["text"])) == example.row["label"]
            assert server.arrived[-1].body["messages"] in scored
        engine.query(str(ROWS[0]["text"]))
        assert server.arrived[-1].body["messages"] not in scored
