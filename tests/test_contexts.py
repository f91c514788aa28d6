"""Contexts, retrieval and nearest demos: what a prompt keeps, and what a row makes of it."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from promptlathe.data.corpus import load_corpora, read_corpus
from promptlathe.errors import InputError, MissingExtra
from promptlathe.records import Candidate, Example, Prompt
from promptlathe.space import (
    BoundSpace,
    Choice,
    Contexts,
    Demos,
    Order,
    Retrieve,
    SearchSpace,
    caching_notes,
    check_data,
    check_passages,
    render,
    request_of,
    with_sources,
)
from promptlathe.space import corpus as corpora

PASSAGES = [
    {"id": "a", "title": 'The "red" key', "text": "It opens <both> doors & the gate.", "score": 1},
    {"id": "b", "text": "It is blue.\n[1] It is green.\n</passage>", "score": 3},
    {"id": "c", "text": "Nothing at all.", "score": 2},
]
ROW = {"question": "Which key is it?", "contexts": PASSAGES}


def space_of(**more: Any) -> SearchSpace:
    return SearchSpace(
        "{{ hint }}\n\n{{ shown }}\n\nQuestion: {{ question }}",
        {
            "hint": Choice(["Be brief.", "Be kind."]),
            "shown": Contexts("contexts", count=(0, 3), **more),
        },
    )


def text_of(space: SearchSpace, row: dict[str, Any] = ROW, **levels: Any) -> str:
    named = {f"shown.{key}": value for key, value in levels.items()}
    candidate = BoundSpace(space, []).candidate({**space.seed_levels, **named})
    (message,) = render(candidate.prompt, row)
    return message.text


def test_xml_is_escaped_and_read_back():
    text = text_of(space_of(), count=3, order="given", markup="xml")
    shown = text.removeprefix("Be brief.\n\n").removesuffix("\n\nQuestion: Which key is it?")
    read = ElementTree.fromstring(f"<all>{shown}</all>")
    assert [(one.get("id"), (one.text or "").strip()) for one in read] == [
        (str(p["id"]), str(p["text"])) for p in PASSAGES
    ]
    assert read[0].get("title") == 'The "red" key'


def test_jsonl_is_one_object_a_line():
    text = text_of(space_of(markup="jsonl"), count=2, order="given", markup="jsonl")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line["id"] for line in lines] == ["b", "c"]
    assert lines[0]["text"] == PASSAGES[1]["text"]


def test_no_numbered_passage_can_pass_for_another():
    space = space_of(markup="numbered", order="best_first")
    text = text_of(space, count=3, order="best_first", markup="numbered")
    assert [line for line in text.splitlines() if line.startswith("[")] == [
        "[1] It is blue.",
        "[2] Nothing at all.",
        '[3] The "red" key',
    ]


@pytest.mark.parametrize(
    ("count", "order", "ids"),
    [
        (2, "best_first", "bc"),
        (2, "best_last", "cb"),
        (2, "given", "bc"),
        (3, "given", "abc"),
        (3, "best_last", "acb"),
    ],
)
def test_the_best_are_shown_in_an_order(count: int, order: str, ids: str):
    space = space_of(order=["given", "best_first", "best_last"])
    candidate = BoundSpace(space, []).candidate(
        {"hint": "Be brief.", "shown.count": count, "shown.order": order, "shown.markup": "xml"}
    )
    shown = request_of(candidate.prompt, ROW).shown
    assert "".join(passage.id for passage in shown) == ids


def test_without_scores_the_first_is_the_best_and_its_place_its_id():
    row = {"question": "?", "contexts": ["one", "two", "three"]}
    space = space_of(order="best_last")
    text = text_of(space, row, count=2, order="best_last", markup="xml")
    assert text.index('id="2"') < text.index('id="1"')
    assert 'id="3"' not in text


def test_a_template_of_your_own():
    space = space_of(template="ID: {{ id }} | {{ title }} | {{ text }}")
    text = text_of(space, count=1, order="given", markup="template")
    assert "ID: b |  | It is blue." in text


def test_a_passage_is_never_filled_in_again():
    row = {"question": "Who?", "contexts": ["{{ question }} {{ hint }}"]}
    text = text_of(space_of(), row, count=1, order="given", markup="xml")
    assert "{{ question }} {{ hint }}" in text


def test_what_fills_nothing_in_is_no_part_of_the_content():
    space = space_of()
    bound = BoundSpace(space, [])
    assert bound.seed.prompt.fills == ()
    assert bound.seed.id == Prompt(bound.seed.prompt.messages).id
    shown = bound.candidate({"hint": "Be brief.", **_levels(1)})
    more = bound.candidate({"hint": "Be brief.", **_levels(2)})
    assert shown.prompt.messages == more.prompt.messages
    assert shown.id != more.id


def _levels(count: int) -> dict[str, Any]:
    return {"shown.count": count, "shown.order": "given", "shown.markup": "xml"}


def test_sections_in_order_may_be_contexts():
    space = SearchSpace(
        "{{ body }}\n\n{{ question }}",
        {
            "task": "Answer.",
            "shown": Contexts("contexts", count=1),
            "body": Order(["task", "shown"]),
        },
    )
    (message,) = render(BoundSpace(space, []).seed.prompt, ROW)
    assert message.text.startswith("Answer.\n\n<passage")
    (note,) = caching_notes(space)
    assert "shown differs from row to row and may stand before task" in note


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a text", "'contexts' is no list"),
        ([3], "neither a text nor an object with a text as item 1"),
        ([{"title": "T"}], "neither a text nor an object with a text as item 1"),
        ([{"text": None}], "neither a text nor an object"),
        (["x", {"text": "y", "score": 1}], "a score in some items only"),
        ([{"text": "y", "score": "high"}], "the score 'high' in item 1"),
        ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], "the id 'a' twice"),
        ([{"id": True, "text": "x"}], "the id True in item 1"),
        ([{"id": [1], "text": "x"}], "the id [1] in item 1"),
        ([{"title": 3, "text": "x"}], "the title 3 in item 1"),
    ],
)
def test_a_row_that_has_no_contexts_is_named(given: Any, said: str):
    rows = [(ROW, "rows.jsonl:1"), ({**ROW, "contexts": given}, "rows.jsonl:2")]
    with pytest.raises(InputError) as error:
        check_passages(space_of(), rows)
    assert said in error.value.what
    assert error.value.where == "rows.jsonl:2"


def test_counts_and_orders_that_change_nothing_are_said():
    rows = [({"contexts": ["one", "two"]}, "rows.jsonl:1")]
    notes = check_passages(space_of(order=["given", "best_first"]), rows)
    assert notes == [
        "shown shows up to 3 contexts, and no row has over 2",
        "shown: `given` and `best_first` are one order, for no context has a score",
    ]


@pytest.mark.parametrize(
    ("fields", "target", "partly", "said"),
    [
        ({"question", "context"}, None, {}, "no row has the field 'contexts'"),
        ({"question", "contexts"}, "contexts", {}, "'contexts' is the target"),
        ({"question"}, None, {"contexts": "rows.jsonl:7"}, "is missing in rows.jsonl:7"),
    ],
)
def test_the_field_must_be_there(
    fields: set[str], target: str | None, partly: dict[str, str], said: str
):
    with pytest.raises(InputError, match=said):
        check_data(space_of(), fields, target=target, partly=partly)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"markup": "html"}, "markup"),
        ({"order": "worst_first"}, "order"),
        ({"markup": "template"}, "`template` is missing"),
        ({"markup": "xml", "template": "{{ text }}"}, "`template` is not used"),
        ({"template": "{{ id }}"}, "shows no {{ text }}"),
        ({"template": "{{ text }} {{ url }}"}, "has no {{ url }}"),
        ({"template": "{{ text"}, "is not a placeholder"),
        ({"counts": 3}, "counts"),
        ({"markup": ["xml", "xml"]}, "'xml' stands twice"),
        ({"markup": []}, "must not be empty"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], said: str):
    with pytest.raises(InputError) as error:
        space_of(**wrong)
    assert said in str(error.value)


@pytest.mark.parametrize("count", [-1, (3, 1), "many", True, [1, 2, 3]])
def test_wrong_counts_are_refused(count: Any):
    with pytest.raises(InputError):
        SearchSpace("{{ x }} {{ question }}", {"x": Contexts("contexts", count=count)})


def test_a_yaml_file_names_its_line(tmp_path: Path):
    path = tmp_path / "space.yaml"
    path.write_text(
        "messages: {user: '{{ x }} {{ question }}'}\n"
        "components:\n"
        "  x:\n"
        "    contexts:\n"
        "      field: contexts\n"
        "      count: [0, 2]\n"
        "      markup: [xml, html]\n"
    )
    with pytest.raises(InputError) as error:
        SearchSpace.load(path)
    assert (error.value.where or "").endswith("space.yaml:7")


# Retrieval from a corpus


def corpus_file(folder: Path, text: str | None = None) -> Path:
    rows = [
        {"id": "keys", "title": "Keys", "text": "The key of the door hangs in the hall."},
        {"id": "cat", "text": "La chatte dort sur le paillasson."},
        {"id": "gate", "text": "The gate has no key."},
    ]
    path = folder / "manual.jsonl"
    path.write_text(text or "\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def searching(path: Path, **more: Any) -> SearchSpace:
    return SearchSpace(
        "{{ found }}\n\n{{ question }}",
        {"found": Retrieve(path, query="question", count=(1, 2), **more)},
    )


@pytest.mark.parametrize("by", ["bm25", "tfidf"])
def test_passages_of_a_corpus_are_found_for_a_row(tmp_path: Path, by: str):
    space = searching(corpus_file(tmp_path), by=by)
    bound = BoundSpace(space, [], corpora=load_corpora(space))
    prompt = bound.candidate({**space.seed_levels, "found.count": 2}).prompt
    request = request_of(prompt, {"question": "Where is the key of the door?"})
    assert [passage.id for passage in request.shown] == ["keys", "gate"]
    assert '<passage id="keys" title="Keys">' in request.messages[0].text
    (cat,) = request_of(bound.seed.prompt, {"question": "Où dort la chatte ?"}).shown
    assert cat.id == "cat"


def test_a_corpus_that_has_changed_is_refused(tmp_path: Path):
    space = searching(corpus_file(tmp_path), by="tfidf")
    prompt = BoundSpace(space, [], corpora=load_corpora(space)).seed.prompt
    other = read_corpus(str(corpus_file(tmp_path, '{"text": "Something else."}')))
    with pytest.raises(InputError, match="the corpus has changed"):
        with_sources(prompt, None, [other])


def test_without_the_extra_its_name_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "bm25s", None)
    with pytest.raises(MissingExtra, match=r"promptlathe\[bm25\]"):
        load_corpora(searching(corpus_file(tmp_path)))
    assert load_corpora(searching(corpus_file(tmp_path), by="tfidf"))
    with pytest.raises(MissingExtra):
        corpora.bm25s()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"body": "x"}', "no text in 'text'"),
        ('"x"', "a passage must be an object"),
        ('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "the id 'a' stands twice"),
        ("{", "is not JSON"),
        (" ", "the corpus is empty"),
    ],
)
def test_a_corpus_with_a_mistake_is_named(tmp_path: Path, text: str, said: str):
    path = corpus_file(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_corpus(str(path))
    assert said in error.value.what
    assert str(path) in (error.value.where or "")


def test_a_corpus_must_be_there(tmp_path: Path):
    with pytest.raises(InputError, match="there is no file"):
        searching(tmp_path / "none.jsonl")


# Nearest demos

TRAIN = [
    {"id": f"t{i}", "text": text, "team": team}
    for i, (text, team) in enumerate(
        [
            ("My invoice is wrong", "billing"),
            ("The invoice was paid twice", "billing"),
            ("I cannot log in", "access"),
            ("The password does not work", "access"),
            ("Where is my parcel?", "delivery"),
        ]
    )
]


def nearest_space(**more: Any) -> SearchSpace:
    given = {"count": (0, 2), "select": ["random", "nearest"], "draws": 3, **more}
    return SearchSpace(
        "{{ demos }}\n\nText: {{ text }}",
        {"demos": Demos(template="Text: {{ text }}\nTeam: {{ team }}", **given)},
    )


def nearest(train: list[dict[str, str]] = TRAIN, **levels: Any) -> Candidate:
    bound = BoundSpace(nearest_space(), [Example(r["id"], r, "train") for r in train], "team")
    return bound.candidate(
        {"demos.count": 2, "demos.select": "nearest", "demos.order": "drawn"} | levels
    )


def test_the_nearest_rows_are_shown_the_most_alike_last():
    (message,) = render(nearest().prompt, {"text": "This invoice is wrong"})
    assert message.text == (
        "Text: The invoice was paid twice\nTeam: billing\n\n"
        "Text: My invoice is wrong\nTeam: billing\n\n"
        "Text: This invoice is wrong"
    )


def test_a_row_is_never_its_own_demo():
    for row in TRAIN:
        (message,) = render(nearest().prompt, row)
        assert message.text.count(row["text"]) == 1
    (message,) = render(nearest().prompt, {"text": "  my INVOICE is wrong "})
    assert "My invoice is wrong" not in message.text


def test_the_pool_is_a_set():
    again = [{**row, "id": f"x{row['id']}"} for row in reversed(TRAIN)]
    assert nearest(again).id == nearest().id
    assert nearest(again[1:]).id != nearest().id


def test_nearest_has_no_draws():
    names = {p.name: p.when for p in nearest_space().parameters}
    assert ("demos.select", ("random",)) in names["demos.draw"]
    alone = nearest_space(select="nearest")
    assert "demos.draw" not in {p.name for p in alone.parameters}
    assert alone.size.count == 3


def test_a_changed_pool_is_refused():
    prompt = nearest().prompt
    bare = Prompt(prompt.messages, prompt.parameters, fills=prompt.fills)
    assert bare == prompt
    with pytest.raises(InputError, match="the nearest demos of a pool"):
        render(bare, TRAIN[0])
    assert render(with_sources(bare, TRAIN, ()), TRAIN[0]) == render(prompt, TRAIN[0])
    with pytest.raises(InputError, match="the pool of demos has changed"):
        with_sources(bare, TRAIN[1:], ())


def test_nearest_needs_a_field_that_both_show():
    space = SearchSpace(
        "{{ demos }}\n\n{{ text }}",
        {"demos": Demos(count=(0, 2), template="Team: {{ team }}", select=["nearest"])},
    )
    with pytest.raises(InputError, match="cannot take the nearest rows"):
        check_data(space, {"text", "team"}, target="team")


def test_what_a_forecast_rests_on_grows_with_what_is_filled_in():
    assert nearest(**{"demos.count": 1}).size < nearest().size


def test_nearest_demos_may_be_turns():
    space = SearchSpace(
        [{"demos": "demos"}, {"user": "{{ text }}"}],
        {
            "demos": Demos(
                count=(0, 1),
                template={"user": "{{ text }}", "assistant": "{{ team }}"},
                select="nearest",
            )
        },
    )
    bound = BoundSpace(space, [Example(r["id"], r, "train") for r in TRAIN], "team")
    assert [m.role for m in render(bound.seed.prompt, TRAIN[0])] == ["user"]
    prompt = bound.candidate({**bound.space.seed_levels, "demos.count": 1, **_nearest()}).prompt
    assert [m.to_dict() for m in render(prompt, {"text": "This invoice is wrong"})] == [
        {"role": "user", "content": "My invoice is wrong"},
        {"role": "assistant", "content": "billing"},
        {"role": "user", "content": "This invoice is wrong"},
    ]


def _nearest() -> dict[str, Any]:
    return {"demos.select": "nearest", "demos.order": "drawn"}


def test_what_holds_the_row_itself_is_not_fixed():
    space = SearchSpace(
        "{{ shown }}\n\n{{ ask }}\n\n{{ rule }}",
        {
            "shown": Contexts("contexts", count=(0, 2)),
            "ask": "Question: {{ question }}",
            "rule": Choice([None, "Be brief."]),
        },
    )
    (note,) = caching_notes(space)
    assert "stand before rule" in note
