"""Substitution is plain: nothing in a row or a text is ever evaluated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlathe.records import Message, Prompt
from promptlathe.space.rendering import render
from promptlathe.space.template import compose, fill, is_inert, placeholders


def test_a_value_that_looks_like_a_placeholder_stays_text():
    assert fill("{{ a }} {{ b }}", {"a": "{{ b }}", "b": "2"}) == "{{ b }} 2"


@given(st.text())
def test_any_row_text_arrives_unchanged(text: str):
    prompt = Prompt((Message("user", "A {{ text }} B"),))
    assert render(prompt, {"text": text})[0].content == f"A {text} B"


def test_unknown_names_and_single_braces_stay():
    assert fill('{"label": "{{ x }}"} {{ y }} {z}', {"x": 1}) == '{"label": "1"} {{ y }} {z}'


def test_placeholders_come_once_in_order():
    assert placeholders("{{b}} {{ a }} {{ b }} { c } {{ 1x }}") == ("b", "a")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ a }}\n{{ none }}\n{{ b }}", "A\nB"),
        ("{{ a }}\n\n{{ none }}\n\n{{ b }}", "A\n\nB"),
        ("{{ none }}\n\n{{ b }}", "B"),
        ("{{ a }}\n\n{{ none }}", "A"),
        ("x {{ none }} y", "x  y"),
        ("{{ a }} {{ field }}", "A {{ field }}"),
    ],
)
def test_a_part_that_is_left_out_leaves_no_hole(template: str, expected: str):
    assert compose(template, {"a": "A", "b": "B", "none": None}) == expected


@pytest.mark.parametrize("text", ["{{ a }}", "{% if x %}", "%}"])
def test_a_text_that_an_engine_would_change_is_not_inert(text: str):
    assert not is_inert(text)
    assert is_inert('{"a": 1} 100 %')
