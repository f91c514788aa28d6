"""Double braces in whatever is sent to a model: a placeholder, escaped on purpose, or an error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import PromptVersion
from tests.test_operators import brief as context

from promptlathe.errors import InputError
from promptlathe.records import Example
from promptlathe.scoring import judge
from promptlathe.scoring.judging.form import Form
from promptlathe.scoring.judging.frames import FRAMES
from promptlathe.scoring.judging.scale import Scale
from promptlathe.search.operators.guards import Leaks, objection
from promptlathe.search.operators.portfolio import load_portfolio
from promptlathe.space import (
    BoundSpace,
    Choice,
    Demos,
    Order,
    SearchSpace,
    check_data,
    not_placeholder,
    render,
    single_braced,
)
from promptlathe.starter import starter

WRONG = {
    "{{ Sub Ject }}": "a space",
    "{{ ticket-text }}": "a dash",
    "{{ text[0] }}": "a bracket",
    "{{ a.b }}": "a dot",
    "{{ 1st }}": "a digit first",
    "{{ catégorie }}": "an accent",
    "{{ te\u200bxt }}": "what cannot be seen",
    "{{ text | upper }}": "a filter",
    "{{ 'x' }}": "a literal",
    "{{}}": "nothing",
    "{{ text }": "one brace short",
    "{ text }}": "one brace short before",
    "{{ text": "never closed",
    "text }}": "never opened",
    "{{\ntext }}": "on two lines",
    "{{ text\n}}": "on two lines, too",
    "{{{{ text }}}}": "twice",
    "{{ a {{ text }} }}": "within another",
    "{{ text }}}}": "closed twice",
    r"\{{ text }}": "escaped, and filled in by MLflow",
    r"\{{ a {{ text }} }}": "escaped around a placeholder",
}
RIGHT = (
    "{{ text }}",
    "{{text}} {{ label }}",
    "{{\u00a0text\u2009}}",
    '{"a": {"b": {{ text }}}}',
    '{"a": {"b": {"c": 1}}} {x}',
    "{{{ text }}}",
    r"\{{ a b }} and \}}",
    "a } b { c :}",
)


@pytest.mark.parametrize("text", WRONG, ids=WRONG.get)
def test_what_is_no_placeholder_is_found(text: str) -> None:
    assert not_placeholder(f"Beside {{{{ text }}}}\n{text} and more")


@pytest.mark.parametrize("text", RIGHT)
def test_placeholders_json_and_escapes_pass(text: str) -> None:
    assert not_placeholder(f"Before {text} after") is None


def demos(template: str, **more: Any) -> Demos:
    return Demos(count=(0, 2), template=template, **more)


PLACES: dict[str, Callable[[str], object]] = {
    "a message": lambda braced: SearchSpace(f"{braced} {{{{ text }}}}"),
    "a part": lambda braced: SearchSpace({"user": ["{{ text }}", braced]}),
    "a picture": lambda braced: SearchSpace({"user": ["{{ text }}", {"image": braced}]}),
    "a level": lambda braced: SearchSpace("{{ a }} {{ text }}", {"a": Choice(["x", braced])}),
    "a text": lambda braced: SearchSpace("{{ a }} {{ text }}", {"a": braced}),
    "demos": lambda braced: SearchSpace(
        "{{ d }} {{ text }}", {"d": demos(f"{braced} {{{{ t }}}}")}
    ),
    "their separator": lambda braced: SearchSpace(
        "{{ d }} {{ text }}", {"d": demos("{{ t }}", separator=braced)}
    ),
    "an order": lambda braced: SearchSpace(
        "{{ o }} {{ text }}", {"a": "x", "b": "y", "o": Order(["a", "b"], separator=braced)}
    ),
    "a rubric": judge,
    "a judge's level": lambda braced: judge("Polite", levels=("no", braced)),
}


@pytest.mark.parametrize("braced", ["{{ Sub Ject }}", "{{ te\nxt }}", "{{ text[0] }}", r"\{{ x }}"])
@pytest.mark.parametrize("place", PLACES)
def test_they_are_refused_wherever_they_stand(place: str, braced: str) -> None:
    with pytest.raises(InputError) as caught:
        PLACES[place](braced)
    assert "}}" in caught.value.what or "separator" in caught.value.what
    assert caught.value.fix


def test_a_rubric_fills_nothing_in() -> None:
    with pytest.raises(InputError, match="is not filled in"):
        judge("Is it a good answer to {{ text }}?")
    asked = Form(FRAMES["en"], r"It must hold \{{ a b }}", Scale.even(("no", "yes")))
    assert "It must hold {{ a b }}" in asked.instructions


def test_the_file_and_the_line_are_named(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("messages:\n  system: hello\n  user: '{{ text }} {{ Sub Ject }}'\n")
    with pytest.raises(InputError) as caught:
        SearchSpace.load(file)
    assert caught.value.where == f"{file}:3"
    assert "rename the column" in str(caught.value)


def test_escaped_braces_are_sent_bare_and_mlflow_formats_the_same() -> None:
    template = r"Write \{{ first name }} where it is due. {{ style }} {{ text }}"
    space = SearchSpace(template, {"style": Choice([r"Like \{{ so it is }}.", "Plain \\}}."])})
    bound = BoundSpace(space, [])
    row = {"text": r"a \{{ b c }} {{ style }}"}
    for candidate in (bound.seed, bound.candidate({"style": space.parameters[0].domain.values[1]})):
        (message,) = candidate.prompt.messages
        (sent,) = render(candidate.prompt, row)
        assert "{{ first name }}" in sent.text
        assert "\\" not in sent.text.replace(row["text"], "")
        assert sent.text.endswith(row["text"])
        stored = PromptVersion("p", 1, [{"role": "user", "content": message.text}])
        assert stored.variables == {"text"}
        assert stored.format(text="x") == [
            {"role": "user", "content": render(candidate.prompt, {"text": "x"})[0].text}
        ]
    assert SearchSpace(**space.to_dict()) == space


def test_demos_show_what_is_escaped_and_leave_rows_as_they_are() -> None:
    space = SearchSpace(
        "{{ d }}\n{{ text }}", {"d": demos(r"{{ text }} \{{ so so }}")}, seed={"d.count": 1}
    )
    row = Example("1", {"text": r"see \{{ x y }}"}, "train")
    text = BoundSpace(space, [row]).seed.prompt.messages[0].text
    assert text == r"see \{{ x y }} {{ so so }}" + "\n{{ text }}"


@pytest.mark.parametrize(
    ("template", "fields", "words"),
    [
        ("{{ hint }}", ["Sub Ject"], "rename the column, to 'Sub_Ject' say"),
        ("{{ hint }}", ["2nd"], "rename the column, to '_2nd' say"),
        ("{{ Sub_Ject }}", ["Sub Ject", "x"], "rename the column, to 'Sub_Ject' say"),
        ("{{ body }}", ["a b", "ticket"], "{{ ticket }}"),
        (r"\{{ a b }} {{ ticket }}", ["a b", "ticket"], "rename the column 'a b'"),
    ],
)
def test_columns_that_no_placeholder_can_name(template: str, fields: list[str], words: str) -> None:
    space = SearchSpace(template, {"hint": Choice(["a", "b"])} if "hint" in template else {})
    with pytest.raises(InputError) as caught:
        check_data(space, fields, target=None)
    assert words in str(caught.value)
    assert "{{ a b }}," not in str(caught.value.fix)


def test_a_field_that_some_rows_lack_is_named_with_them() -> None:
    space = SearchSpace("{{ lang }} {{ h }}", {"h": Choice(["a", "b"])})
    with pytest.raises(InputError, match=r"missing in 2 rows: a\.csv:3, 5"):
        check_data(space, ["text"], target=None, partly={"lang": "2 rows: a.csv:3, 5"})


def test_single_braces_around_a_known_name_are_told() -> None:
    space = SearchSpace('{{ role }} {text} {"a": {x}} {{ text }}', {"role": "x"})
    (note,) = single_braced(space, ["text", "x_"])
    assert note == "{text} is not filled in: a placeholder is {{ text }}"


@pytest.mark.parametrize("text", ["Name the {{ te am }}.", "Name { team }}.", r"Name \{{ team }}"])
def test_operators_write_no_such_braces(text: str) -> None:
    told = context(text="Name the team.")
    assert objection(text, told, [], Leaks([])) in (
        "braces that are no placeholder",
        "placeholders changed",
    )
    assert objection("Name { the team } of the ticket.", told, [], Leaks([])) is None


def test_a_request_of_the_workspace_names_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "search_spaces" / "operators"
    folder.mkdir(parents=True)
    own = folder / "rewrite.md"
    for text, words in {
        "Mend {{ text }}\n{{ mistaks }}": f"{own}:2: {{{{ mistaks }}}} is not filled in",
        "{{ the text }}": f"{own}:1: {{{{ the text }}}} is not filled in",
    }.items():
        own.write_text(text)
        with pytest.raises(InputError) as caught:
            load_portfolio(["rewrite"], tmp_path, starter())
        assert words in str(caught.value)
        assert "{{ mistakes }}" in str(caught.value)
    own.write_text(r"Mend {{ text }} as \{{ so it }} is. {{ mistakes }}")
    made = load_portfolio(["rewrite"], tmp_path, starter())
    told = context(text="Name it.", prompts=made.requests)
    assert "Mend Name it. as {{ so it }} is." in told.ask("rewrite", mistakes="none")
