"""Levels that set the answer's form, parts of messages, and braces that are no placeholder."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.records import Example, Image, Message
from promptlathe.space import (
    BoundSpace,
    Choice,
    Demos,
    Level,
    SearchSpace,
    check_data,
    check_images,
    render,
)

STRICT = {"text": "Answer as JSON.", "response_format": {"json": {"label": "labels"}}}
LABELS = ("billing", "access")


def space(*levels: Any) -> SearchSpace:
    choice = {"bare": "Only the label.", **{f"l{i}": one for i, one in enumerate(levels)}}
    return SearchSpace("{{ form }}\n{{ text }}", {"form": Choice(choice)})


def sent(level: Any) -> Any:
    bound = BoundSpace(space(level), [], "label", LABELS)
    return dict(bound.candidate({"form": "l0"}).prompt.parameters)["response_format"]


def test_a_level_sets_a_strict_schema_with_the_labels() -> None:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string", "enum": ["billing", "access"]}},
        "required": ["label"],
        "additionalProperties": False,
    }
    assert sent(STRICT) == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }
    assert BoundSpace(space(STRICT), [], "label", LABELS).seed.prompt.parameters == ()


def test_nested_objects_are_closed_and_text_may_be_left_out() -> None:
    given = {"response_format": {"json": {"a": {"b": ["x", "y"], "n": "number"}, "ok": "boolean"}}}
    inner = sent(given)["json_schema"]["schema"]["properties"]["a"]
    assert inner["properties"] == {
        "b": {"type": "string", "enum": ["x", "y"]},
        "n": {"type": "number"},
    }
    assert inner["required"] == ["b", "n"]
    assert inner["additionalProperties"] is False
    assert sent({"response_format": "json_object"}) == {"type": "json_object"}


fields = st.recursive(
    st.sampled_from(["labels", "text", "number", "boolean"])
    | st.lists(st.text("abc", min_size=1), min_size=1, max_size=3),
    lambda inner: st.dictionaries(st.text("xyz", min_size=1), inner, min_size=1, max_size=3),
    max_leaves=5,
)
formats = st.just("json_object") | st.dictionaries(
    st.text("xyz", min_size=1), fields, min_size=1, max_size=3
).map(lambda given: {"json": given})


@settings(max_examples=40, deadline=None)
@given(formats, st.none() | st.just("As JSON."))
def test_formats_round_trip_through_yaml(declared: Any, text: str | None) -> None:
    level = {"response_format": declared} | ({} if text is None else {"text": text})
    one = space(level)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "space.yaml"
        path.write_text(documents.to_yaml(one.to_dict()), encoding="utf-8")
        assert SearchSpace.load(path) == one


def test_a_text_made_from_a_level_keeps_its_form() -> None:
    form = space(STRICT).components["form"]
    assert isinstance(form, Choice)
    grown = form.with_level(Level(name="new", text="JSON, please.", parents=("l0",)))
    assert grown.choice[-1].response_format == STRICT["response_format"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("json_objct", "is no response format"),
        ({"json": {"a": "numbr"}}, "did you mean 'number'?"),
        ({"json": {}}, "a JSON answer needs fields"),
        ({"json": {"a": [1]}}, "are not texts"),
    ],
)
def test_formats_that_are_refused(given: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        space({"response_format": given})
    assert words in str(caught.value)


def test_two_components_cannot_both_set_it() -> None:
    both = {"a": Choice(["x", STRICT]), "b": Choice(["y", STRICT])}
    with pytest.raises(InputError, match="'a' and 'b' both set `response_format`"):
        SearchSpace("{{ a }} {{ b }} {{ text }}", both)
    with pytest.raises(InputError, match="a model parameter cannot set"):
        SearchSpace("{{ text }}", model={"reasoning_effort": Choice(["low", STRICT])})


def test_labels_need_a_label_target() -> None:
    with pytest.raises(InputError, match="one of the objective's labels, and it has none"):
        check_data(space(STRICT), ["text"], target=None)
    check_data(space(STRICT), ["text"], target=None, labels=LABELS)


# Pictures

PICTURE = """
messages:
  user:
    - "{{ hint }}"
    - "What is on it?"
    - {image: "{{ photo }}", detail: low}
components:
  hint: {choice: [null, "Look twice."]}
"""


def test_parts_are_filled_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(PICTURE, encoding="utf-8")
    loaded = SearchSpace.load(tmp_path / "space.yaml")
    assert SearchSpace(**loaded.to_dict()) == loaded
    check_data(loaded, ["photo"], target=None)
    prompt = BoundSpace(loaded, []).seed.prompt
    (message,) = render(prompt, {"photo": "a.png"})
    assert message == Message("user", ("What is on it?", Image("a.png", "low")))
    with pytest.raises(InputError, match="neither a component nor a field"):
        check_data(loaded, ["foto"], target=None)


def test_a_picture_is_named_by_a_text(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(PICTURE, encoding="utf-8")
    loaded = SearchSpace.load(tmp_path / "space.yaml")
    with pytest.raises(InputError, match="no text in row '7'"):
        check_images(loaded, [Example("7", {"photo": 3}, "train")])
    with pytest.raises(InputError, match="which is no text"):
        render(BoundSpace(loaded, []).seed.prompt, {"photo": 3})


@pytest.mark.parametrize("part", [{"image": 3}, {"picture": "x"}, 5, {"image": "x", "size": "y"}])
def test_other_parts_are_refused(part: Any) -> None:
    with pytest.raises(InputError, match="no part of a message"):
        SearchSpace({"user": ["{{ text }}", part]})


# Braces


@pytest.mark.parametrize("braced", ["{{ Sub Ject }}", "{{ ticket-text }}", "{{ text[0] }}"])
def test_braces_that_are_no_placeholder_are_refused(braced: str) -> None:
    demos = Demos(count=(0, 2), template=f"{braced} {{{{ label }}}}")
    for make in (
        lambda: SearchSpace(f"{braced} {{{{ text }}}}"),
        lambda: SearchSpace("{{ a }} {{ text }}", {"a": Choice(["x", braced])}),
        lambda: SearchSpace("{{ demos }} {{ text }}", {"demos": demos}),
    ):
        with pytest.raises(InputError, match="is not a placeholder") as caught:
            make()
        assert "rename the column" in str(caught.value)


def test_single_braces_and_json_stay() -> None:
    SearchSpace('{"a": {"b": {{ text }}}} {x}')
