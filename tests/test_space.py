"""Spaces: two spellings of one frozen object, candidates, sizes."""

from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe import documents
from promptlathe.records import Example
from promptlathe.space import (
    BoundSpace,
    Choice,
    Demos,
    Float,
    Int,
    Order,
    SearchSpace,
    Text,
    placeholders,
)

TRAIN = [
    Example(f"e{i}", {"text": f"ticket {i}", "label": "ab"[i % 3 == 0]}, "train") for i in range(12)
]
DEMO = "T: {{ text }}\nL: {{ label }}"

YAML = """
messages:
  system: "{{ role }} {{ task }}"
  user: |
    {{ demos }}
    {{ text }}
components:
  role: {choice: [null, "You are terse."]}
  task: {text: "Name the team."}
  format: {choice: {bare: "Only the label.", json: "As JSON."}}
  demos:
    demos:
      count: [0, 3]
      select: [random, balanced]
      template: "T: {{ text }}\\nL: {{ label }}"
  body: {order: [task, format]}
model:
  temperature: {float: [0, 1], when: {format: bare}}
constraints:
  - forbid: {format: json, demos.count: ">= 2"}
""".replace("{{ role }} {{ task }}", "{{ role }} {{ body }}")


def python_space() -> SearchSpace:
    return SearchSpace(
        messages={"system": "{{ role }} {{ body }}", "user": "{{ demos }}\n{{ text }}\n"},
        components={
            "role": Choice([None, "You are terse."]),
            "task": "Name the team.",
            "format": Choice({"bare": "Only the label.", "json": "As JSON."}),
            "demos": Demos(count=(0, 3), select=("random", "balanced"), template=DEMO),
            "body": Order(["task", "format"]),
        },
        model={"temperature": Float(0, 1, when={"format": "bare"})},
        constraints=[{"forbid": {"format": "json", "demos.count": ">= 2"}}],
    )


def test_yaml_and_python_spell_the_same_space(tmp_path: Path):
    path = tmp_path / "space.yaml"
    path.write_text(YAML, encoding="utf-8")
    assert SearchSpace.load(path) == python_space()


texts = st.text(st.characters(codec="utf-8", exclude_characters="{}%"), min_size=1).filter(
    lambda t: bool(t.strip())
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda n: n != "text")
kinds = st.one_of(
    st.lists(texts | st.none(), min_size=1, max_size=4, unique=True).map(Choice),
    st.dictionaries(names, texts, min_size=1, max_size=3)
    .filter(lambda d: len(set(d.values())) == len(d))
    .map(Choice),
    texts.map(Text),
    st.tuples(st.integers(-5, 5), st.integers(6, 9)).map(lambda p: Int(*p)),
    st.tuples(st.floats(-1, 0), st.floats(0.5, 1)).map(lambda p: Float(*p)),
    st.tuples(
        st.tuples(st.integers(0, 2), st.integers(2, 5)),
        st.sampled_from(["random", ("random", "balanced")]),
    ).map(lambda p: Demos(count=p[0], select=p[1], template=DEMO)),
)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    components = draw(st.dictionaries(names, kinds, max_size=4))
    components["style"] = Choice({"plain": "Plain.", "loud": "LOUD."})
    template = " ".join(f"{{{{ {name} }}}}" for name in components)
    return SearchSpace({"user": template + " {{ text }}"}, components)


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_a_space_round_trips_through_yaml(space: SearchSpace):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "space.yaml"
        path.write_text(documents.to_yaml(space.to_dict()), encoding="utf-8")
        assert SearchSpace.load(path) == space


@settings(max_examples=40, deadline=None)
@given(spaces(), st.integers(0, 1000))
def test_every_candidate_keeps_the_row_and_fills_every_component(space: SearchSpace, seed: int):
    bound = BoundSpace(space, TRAIN, "label")
    candidate = bound.candidate(space.draw(np.random.default_rng(seed)))
    content = "".join(m.content for m in candidate.prompt.messages)
    assert placeholders(content) == ("text",)
    assert bound.candidate(dict(candidate.levels)) == candidate


def test_size_counts_conditions_and_constraints():
    space = python_space()
    demos = 1 + 3 * 2 * 8  # none, or 1 to 3 of two selections and eight draws
    json_demos = 1 + 1 * 2 * 8
    assert space.size.count == 2 * 2 * (demos + json_demos)
    assert space.size.continuous == ("model.temperature",)


def test_size_agrees_with_enumeration_by_hand():
    space = SearchSpace(
        "{{ a }} {{ b }} {{ text }}",
        {"a": Choice(["1", "2", "3"]), "b": Choice(["x", "y"], when={"a": ["1", "2"]})},
        constraints=[{"forbid": {"a": "2", "b": "y"}}],
    )
    by_hand = {(a, b if a != "3" else None) for a, b in product("123", "xy")} - {("2", "y")}
    assert space.size.count == len(by_hand) == 4


def test_the_seed_is_the_first_level_of_each_unless_named():
    space = python_space()
    assert space.seed_levels["role"] == "none"
    named = SearchSpace(**{**space.to_dict(), "seed": {"role": "You are terse."}})
    assert named.seed_levels["role"] == "You are terse."


def test_an_inactive_model_parameter_is_not_sent():
    bound = BoundSpace(python_space(), TRAIN, "label")
    levels = {**python_space().seed_levels, "format": "json"}
    assert bound.candidate(levels).prompt.parameters == ()
    assert dict(bound.seed.prompt.parameters) == {"temperature": 0.0}


def test_the_order_component_moves_sections():
    bound = BoundSpace(python_space(), TRAIN, "label")
    swapped = bound.candidate({**bound.space.seed_levels, "body": "format > task"})
    assert swapped.prompt.messages[0].content == "Only the label.\n\nName the team."


def demos_of(**levels: object) -> list[str]:
    bound = BoundSpace(python_space(), TRAIN, "label")
    full = {"demos.select": "random", "demos.order": "drawn", "demos.draw": 0, **levels}
    content = bound.candidate({**bound.space.seed_levels, **full}).prompt.messages[1].content  # type: ignore[dict-item]
    return content.removesuffix("\n{{ text }}").split("\n\n")


def test_a_larger_draw_contains_the_smaller():
    two, three = demos_of(**{"demos.count": 2}), demos_of(**{"demos.count": 3})
    assert len(three) == 3
    assert set(two) < set(three)


def test_draws_differ_and_balanced_takes_labels_in_turn():
    assert demos_of(**{"demos.count": 3}) != demos_of(**{"demos.count": 3, "demos.draw": 1})
    balanced = demos_of(**{"demos.count": 2, "demos.select": "balanced"})
    assert {block[block.index("L: ") + 3] for block in balanced} == {"a", "b"}


def test_a_row_that_an_engine_would_evaluate_is_no_demo():
    rows = [Example("x", {"text": "{{ text }} {% if %}", "label": "a"}, "train"), TRAIN[0]]
    bound = BoundSpace(python_space(), rows, "label")
    levels = {**bound.space.seed_levels, "demos.count": 2, "demos.select": "random"}
    levels |= {"demos.order": "drawn", "demos.draw": 0}
    assert "{%" not in bound.candidate(levels).prompt.messages[1].content


@pytest.mark.parametrize(("order", "key"), [("short_first", len), ("by_label", lambda d: d[-1])])
def test_demos_can_be_ordered(order: str, key):
    rows = [
        Example(str(n), {"text": "x" * n, "label": label}, "train")
        for n, label in [(9, "b"), (2, "a"), (5, "c"), (7, "a")]
    ]
    space = SearchSpace(
        "{{ demos }}\n\n{{ text }}",
        {"demos": Demos(count=(4, 4), template=DEMO, order=("drawn", order))},
    )
    bound = BoundSpace(space, rows, "label")
    levels = {**space.seed_levels, "demos.order": order}
    blocks = bound.candidate(levels).prompt.messages[0].content.split("\n\n")[:-1]
    assert len(blocks) == 4
    assert blocks == sorted(blocks, key=key)
