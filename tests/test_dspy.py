"""Modules of DSPy: their space, themselves as target, and the tuned module back."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.jobs import OBJECTIVE, ROWS
from tests.orders import check_account, lucky, model, parallel

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.records import Example, Json, Prompt
from promptlathe.runtime.evaluator import Target
from promptlathe.space import BoundSpace
from promptlathe.targets.frameworks import applied, target_of
from promptlathe.testing.contexts import Asked, ScriptedContext
from promptlathe.testing.scripted import Arrived, ScriptedServer
from promptlathe.testing.targets import TargetSuite

TRAIN = [
    Example(f"e{i}", {"text": f"row {i} {{x}}\n\nend", "plan": "p", "label": f"l{i}"}, "train")
    for i in range(4)
]
DEMOS = {"demos.count": 2, "demos.select": "random", "demos.order": "drawn", "demos.draw": 0}


@pytest.fixture(scope="module")
def ds() -> ModuleType:
    """The modules of tests/dspy_modules.py."""
    return pytest.importorskip("tests.dspy_modules", exc_type=ImportError)


def said(asked: Asked | Arrived, **fields: str) -> str:
    """In DSPy's form, the fields that are asked for last."""
    names = re.findall(r"`\[\[ ## (\w+) ## \]\]`", asked.prompt)
    text = "\n\n".join(f"[[ ## {name} ## ]]\n{fields.get(name, 'x')}" for name in names)
    return f"{text}\n\n[[ ## completed ## ]]"


def prompts_of(space: pl.SearchSpace, **levels: Any) -> Mapping[str, Prompt]:
    bound = BoundSpace(space, TRAIN, "label")
    return bound.candidate({**space.seed_levels, **levels}).prompts


async def ran(module: Any, prompts: Mapping[str, Prompt]) -> tuple[Json, list[Asked]]:
    """The output for a row, and what was asked."""
    ctx = ScriptedContext(lambda asked: said(asked, label="billing"))
    return await target_of(module).run(prompts, {"text": "What?", "label": "no"}, ctx), ctx.asked


class TestModule(TargetSuite):
    """Two predictors, one after the other, in a thread."""

    @pytest.fixture(autouse=True)
    def _module(self, ds: ModuleType) -> None:
        self.module = ds.Two()

    def prompts(self) -> Mapping[str, Prompt]:
        made = prompts_of(pl.from_dspy(self.module))
        return {
            "plan": Prompt(made["plan"].messages, (("seed", 1),)),
            "answer": Prompt(made["answer"].messages, (("temperature", 0.5),)),
        }

    def target(self) -> Target:
        return target_of(self.module)

    def marked(self, prompt: Prompt, mark: str) -> Prompt:
        """In the instructions: the last message is DSPy's."""
        first, *rest = prompt.messages
        return replace(prompt, messages=(replace(first, content=f"{first.text} {mark}"), *rest))

    def answer(self, asked: Asked, draw: int) -> str:
        return said(asked, plan="p", label=super().answer(asked, draw))


def test_instructions_demos_and_fields_are_found_and_frozen(ds: ModuleType):
    space = pl.from_dspy(ds.sort())
    assert space.size.count == 1
    assert space.to_dict()["messages"] == [
        {"system": "Given the fields `text`, produce the fields `label`."},
        {"user": "Demos:"},
        {"user": "{{ fields }}"},
    ]
    assert list(pl.from_dspy(ds.Two()).prompts) == ["plan", "answer"]


async def test_instructions_and_demos_are_asked_and_the_module_stays_as_it_is(ds: ModuleType):
    module = ds.sort()
    space = pl.from_dspy(module, vary={"instructions": ["Name {the} team."], "demos": (0, 3)})
    prompts = prompts_of(space, instructions="Name {the} team.", **DEMOS)
    output, (asked,) = await ran(module, prompts)
    assert output == "billing"
    system, *demos, last = asked.request.messages
    assert "Name {the} team." in system.text
    assert [message.role for message in demos] == ["user", "assistant"] * 2
    shown = [e for e in TRAIN if str(e.row["text"]) in demos[0].text]
    assert demos[1].text.startswith(f"[[ ## label ## ]]\n{shown[0].row['label']}\n")
    assert last.text.startswith("[[ ## text ## ]]\nWhat?")
    assert dict(asked.request.parameters) == {"temperature": 0.0}
    assert (module.demos, "Name" in module.signature.instructions) == ([], False)


async def test_demos_of_a_module_may_go_and_come_back(ds: ModuleType):
    module = ds.sort()
    space = pl.from_dspy(module, vary=["demos"])
    tuned = applied(module, prompts_of(space, **DEMOS))
    assert [set(demo.keys()) for demo in tuned.demos] == [{"text", "label"}] * 2
    assert tuned.demos[0].text in [e.row["text"] for e in TRAIN]
    frozen = prompts_of(pl.from_dspy(tuned))
    assert (
        frozen[pl.from_dspy(tuned).step_of("") or "prompt"] == prompts_of(space, **DEMOS)["prompt"]
    )
    assert applied(tuned, prompts_of(space)).demos == []


async def test_other_ways_of_a_module(ds: ModuleType):
    later, votes = ds.Later(), ds.Votes()
    output, _ = await ran(later, prompts_of(pl.from_dspy(later)))
    assert output == "billing"
    output, asked = await ran(votes, prompts_of(pl.from_dspy(votes)))
    assert output == {"labels": ["billing"] * 3}
    assert [one.request.repeat for one in asked] == [0, 1, 2]
    with ds.configured(ds.lm(max_tokens=9)):
        module = ds.Two()
        _, asked = await ran(module, prompts_of(pl.from_dspy(module)))
    assert [dict(one.request.parameters)["max_tokens"] for one in asked] == [9, 9]
    assert [one.step for one in asked] == ["plan", "answer"]


def test_what_is_refused(ds: ModuleType, tmp_path: Path):
    module = ds.sort()
    for more, words in (
        ({"vary": ["instruction"]}, "did you mean 'instructions'"),
        ({"vary": ["fields"]}, "'fields' cannot vary: it is no text"),
        ({"vary": {"demos": ["a"]}}, "count"),
        ({"vary": {"demos": "many"}}, "give a count"),
        ({"vary": {"demos": pl.Demos(count=2, template="{{ text }}")}}, "kept as records"),
    ):
        with pytest.raises(InputError, match=words):
            pl.from_dspy(module, **more)
    with pytest.raises(InputError, match="is no object of DSPy"):
        pl.from_dspy("text -> label")
    two = ds.Two()
    space = pl.from_dspy(two, vary=["answer.demos"])
    with pytest.raises(InputError, match=r"\{\{ plan \}\} is neither a component nor a field"):
        pl.optimize(space, OBJECTIVE, target=two, track=False, workspace=tmp_path)


# A whole run, and the tuned module back

ONLY = "Name one team: billing, delivery or login."
CALLS = 300


def teams(arrived: Arrived) -> str:
    """Right for those who are told the teams, and else now and then."""
    last = arrived.body["messages"][-1]["content"]
    row = next(row for row in ROWS if str(row["text"]) in last)
    good = ONLY in arrived.prompt or lucky({"id": row["text"]}, 4, "teams")
    return said(arrived, label=str(row["label"]) if good else "somebody")


@pytest.mark.slow
def test_a_run_and_the_tuned_module_back(ds: ModuleType, tmp_path: Path):
    """Byte for byte at the server what was scored."""
    with ScriptedServer(teams) as server:
        module = ds.sort(server.base_url)
        result = pl.optimize(
            pl.from_dspy(module, vary={"instructions": [ONLY, "Think."], "demos": (0, 2)}),
            OBJECTIVE,
            target=module,
            model=model(server),
            budget=pl.Budget(calls=CALLS),
            parallel=parallel("local", 4),
            track=False,
            workspace=tmp_path,
        )
        check_account(result, server, calls=CALLS)
        assert (result.verdict, result.test.best) == ("better", 1)
        assert result.best.levels["instructions"] == ONLY
        scored = [arrived.body["messages"] for arrived in server.arrived]
        tuned = result.apply(module)
        for example in OBJECTIVE.examples("test")[:5]:
            assert tuned(text=example.row["text"]).label == example.row["label"]
            assert server.arrived[-1].body["messages"] in scored
