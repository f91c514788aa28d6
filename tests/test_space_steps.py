"""Spaces of several prompts: names, size, candidates, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.records import Example
from promptlathe.search.lathe.landscape import SpaceLandscape
from promptlathe.space import (
    BoundSpace,
    Choice,
    Demos,
    Float,
    JoinedSpace,
    Level,
    Order,
    SearchSpace,
    Text,
    check_data,
    join,
    load_steps,
    placeholders,
)

TRAIN = [
    Example(f"e{i}", {"text": f"ticket {i}", "label": "ab"[i % 3 == 0]}, "train") for i in range(9)
]
FIELDS = ("text", "label")


def plan(**more: Any) -> SearchSpace:
    return SearchSpace(
        {"system": "{{ body }}", "user": "{{ demos }}\n{{ text }}"},
        {
            "role": Choice([None, "You are terse."], rewrite=True),
            "task": Text("Plan it.", when={"role": "none"}),
            "body": Order(["role", "task"]),
            "demos": Demos(count=(0, 2), template="T: {{ text }}\nL: {{ label }}", draws=2),
        },
        model={"temperature": Float(0, 1, when={"role": "none"})},
        **{"constraints": [{"forbid": {"role": "none", "demos.count": 2}}], **more},
    )


def answer(template: str = "{{ plan }}\n{{ form }}\n{{ text }}") -> SearchSpace:
    return SearchSpace(template, {"form": Choice({"bare": "Only it.", "long": "Reasons."})})


def chain() -> JoinedSpace:
    return join({"plan": plan(seed={"body": "task > role"}), "answer": answer()})


def test_names_carry_their_step_and_sizes_multiply() -> None:
    space = chain()
    assert [p.name for p in space.parameters] == [
        *(f"plan.{p.name}" for p in plan().parameters),
        "answer.form",
    ]
    assert space.size.count == plan().size.count * 2
    assert space.size.continuous == ("plan.model.temperature",)
    assert space.seed_levels["plan.body"] == "task > role"
    assert not space.allows({"plan.role": "none", "plan.demos.count": 2})
    assert list(space.rewritable) == ["plan.role"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_each_prompt_is_that_of_its_own_space(seed: int) -> None:
    space = chain()
    bound = BoundSpace(space, TRAIN, "label")
    made = bound.candidate(space.draw(np.random.default_rng(seed)))
    assert list(made.prompts) == ["plan", "answer"]
    assert bound.candidate(dict(made.levels)) == made
    for step, part in space.parts.items():
        own = {n.removeprefix(f"{step}."): v for n, v in made.levels if n.startswith(step)}
        alone = BoundSpace(part, TRAIN, "label")
        assert alone.candidate(own).prompt == made.prompts[step]
        if step == "plan":
            shown = bound.shown("plan.demos", dict(made.levels))
            assert shown == alone.shown("demos", own)
    assert placeholders(made.prompts["answer"].messages[0].text) == ("plan", "text")


def test_a_joined_space_grows_and_comes_back_from_its_own_spelling(tmp_path: Path) -> None:
    space = chain().opened()
    role = space.components["plan.role"]
    assert isinstance(role, Choice)
    grown = space.with_components({"plan.role": role.with_level(Level(name="new", text="New."))})
    assert isinstance(grown, JoinedSpace)
    assert grown.size.count > space.size.count
    made = BoundSpace(grown, TRAIN, "label").candidate({**grown.seed_levels, "plan.role": "new"})
    assert "New." in made.prompts["plan"].messages[0].text
    (tmp_path / "run.yaml").write_text(documents.to_yaml(grown.to_dict()), encoding="utf-8")
    assert load_steps(documents.load(tmp_path / "run.yaml")).space == grown


def test_conditions_survive_a_new_level() -> None:
    space = chain()
    task = space.components["plan.task"]
    assert space.with_components({"plan.task": task}) == space


def test_the_landscape_models_no_pairs_between_steps() -> None:
    landscape = SpaceLandscape(BoundSpace(chain(), TRAIN, "label"))
    axes = landscape.encoder.axes
    steps = [
        (axes[i].name.split(".")[0], axes[j].name.split(".")[0])
        for i, j, _ in landscape.encoder.pairs
    ]
    assert steps
    assert set(steps) == {("plan", "plan")}
    assert "plan.demos (rows)" in [axis.name for axis in axes]
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(landscape.encoder.width, 2))
    points = landscape.suggest(rng, count=8, leaders=[landscape.seed], weights=weights)
    encoded = landscape.encoder.encode([landscape.values(point) for point in points])
    assert encoded.shape == (len(points), landscape.encoder.width)
    assert all(len(landscape.candidate(point).prompts) == 2 for point in points)


def test_a_step_may_be_fixed_but_not_all() -> None:
    fixed = SearchSpace("{{ text }}")
    check_data(join({"plan": fixed, "answer": answer()}), FIELDS, target="label")
    whole = join({"plan": fixed, "answer": SearchSpace("{{ plan }}")})
    with pytest.raises(InputError, match="one candidate only"):
        check_data(whole, FIELDS, target="label")


@pytest.mark.parametrize(
    ("steps", "output", "words"),
    [
        ({"plan": plan(), "answer": answer("{{ form }} {{ text }}")}, None, "no later step uses"),
        (
            {"answer": answer(), "plan": plan()},
            None,
            "the output of a step below it",
        ),
        ({"plan": plan(), "answer": answer()}, "anser", "did you mean 'answer'?"),
        ({"form": plan(), "answer": answer("{{ form }}")}, None, "both a step and a component"),
        ({"a b": plan()}, None, "no name for a step"),
    ],
)
def test_refused(steps: dict[str, SearchSpace], output: str | None, words: str) -> None:
    with pytest.raises(InputError) as caught:
        join(steps, output=output)
    assert words in str(caught.value)


def test_a_step_may_not_be_named_like_a_field() -> None:
    with pytest.raises(InputError, match="both a step and a field"):
        check_data(
            join({"label": plan(), "answer": answer("{{ label }} {{ form }}")}),
            FIELDS,
            target="label",
        )


PLAN = 'messages: "{{ hint }} {{ text }}"\ncomponents:\n  hint: {choice: [null, Think.]}\n'
RUN = "steps:\n  plan: {space: plan.yaml}\n  answer:\n    space: {messages: '%s'}\n"


def checked(path: Path) -> None:
    loaded = load_steps(documents.load(path))
    check_data(loaded.space, FIELDS, target="label", where=loaded.where)


@pytest.mark.parametrize(
    ("part", "run", "words"),
    [
        (PLAN, RUN % "{{ plan }} {{ txt }}", "run.yaml:4: the placeholder {{ txt }}"),
        (PLAN.replace("text", "answer"), RUN % "{{ plan }}", "plan.yaml:1: the steps 'plan' and"),
        (PLAN.replace("text", "plan"), RUN % "{{ plan }}", "'plan' uses its own output"),
        (PLAN + "model: {base_url: x}", RUN % "{{ plan }}", "stands in the run file"),
        (PLAN, RUN % "{{ text }}", "run.yaml:2: no later step uses the output of 'plan'"),
        (PLAN, RUN % "{{ plan }}" + "output: pln\n", "run.yaml:5: the output names 'pln'"),
        (PLAN.replace("choice", "choise"), RUN % "{{ plan }}", "plan.yaml:3: "),
        (PLAN, RUN.replace("plan.yaml", "no.yaml") % "{{ plan }}", "run.yaml:2: the step 'plan'"),
        (PLAN, RUN.replace("space: plan", "spac: plan") % "{{ plan }}", "did you mean 'space'?"),
    ],
)
def test_messages_name_file_and_line(tmp_path: Path, part: str, run: str, words: str) -> None:
    (tmp_path / "plan.yaml").write_text(part, encoding="utf-8")
    (tmp_path / "run.yaml").write_text(run, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        checked(tmp_path / "run.yaml")
    assert words in str(caught.value)


def test_flat_names_have_places_too(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
    (tmp_path / "run.yaml").write_text(RUN % "{{ plan }}", encoding="utf-8")
    loaded = load_steps(documents.load(tmp_path / "run.yaml"))
    assert loaded.where(("components", "plan.hint")) == f"{tmp_path / 'plan.yaml'}:3"
