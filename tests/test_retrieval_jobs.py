"""Whole runs over HTTP: chains that retrieve, functions of yours, resume, what an operator sees."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.jobs import essence

import promptlathe as pl
from promptlathe.cli.main import main
from promptlathe.errors import InputError
from promptlathe.job import Job, Result, run
from promptlathe.space import Choice, Contexts, Retrieve, SearchSpace
from promptlathe.testing.scripted import Arrived, ScriptedServer

COLOURS = ["red", "blue", "green", "black", "white", "grey", "brown", "pink", "gold", "violet"]
ROWS: list[dict[str, Any]] = [
    {
        "id": f"r{n}x{i}",
        "question": f"Which colour has box {n}x{i}?",
        "colour": colour,
        "cites": [f"b{n}x{i}"],
        "contexts": [
            {"id": f"b{(n + 1) % 10}x{i}", "text": f"Box {(n + 1) % 10}x{i} is striped."},
            {"id": f"b{n}x{i}", "text": f"Box {n}x{i} is {colour}."},
        ],
    }
    for i in range(6)
    for n, colour in enumerate(COLOURS)
]
SCORERS = [pl.exact_match("colour", parse="label"), {"citations": "cites"}]


def objective(**more: Any) -> pl.Objective:
    given: dict[str, Any] = {"scorers": SCORERS, "goal": "maximize exact_match + citations", **more}
    return pl.Objective(ROWS, splits={"train": 0.2, "select": 0.4, "test": 0.4}, **given)


def corpus(folder: Path) -> Path:
    passages = {p["id"]: p for row in ROWS for p in row["contexts"] if "striped" not in p["text"]}
    path = folder / "boxes.jsonl"
    path.write_text("".join(f"{json.dumps(one)}\n" for one in passages.values()), "utf-8")
    return path


def reader(arrived: Arrived) -> str:
    """Reads the colour of the box that is asked about in what is shown, and cites when asked."""
    if "Write a query" in arrived.prompt:
        return arrived.prompt.rpartition("colour has ")[2].strip(" ?")
    (box,) = re.findall(r"colour has box (\w+)", arrived.prompt)[-1:]
    for mark, text in re.findall(r'<passage id="(\w+)">\n(.*?)\n', arrived.prompt):
        if found := re.fullmatch(rf"Box {box} is (\w+)\.", text):
            return f"{found[1]} [{mark}]" if "Cite" in arrived.prompt else found[1]
    return "mauve"


def optimized(server: ScriptedServer, space: Any, folder: Path, **more: Any) -> Result:
    model = {"name": "scripted", "base_url": server.base_url}
    given: dict[str, Any] = {"objective": objective(), "warm_start": False, **more}
    return pl.optimize(
        space,
        given.pop("objective"),
        model=model,
        budget=pl.Budget(calls=220),
        track=False,
        workspace=folder,
        parallel={"concurrency": 1},
        **given,
    )


CITE = Choice([None, "Cite the passage."])


@pytest.mark.slow
def test_a_chain_searches_with_what_an_earlier_step_wrote(tmp_path: Path):
    manual = Retrieve(corpus(tmp_path), query="query", count=(0, 2), by="bm25")
    spaces = {
        "query": SearchSpace("Write a query. {{ question }}"),
        "answer": SearchSpace(
            "{{ cite }}\n\n{{ manual }}\n\n{{ question }}", {"cite": CITE, "manual": manual}
        ),
    }
    with ScriptedServer(reader) as server:
        result = optimized(server, spaces, tmp_path)
        asked = server.prompts
    assert result.test.best == 2.0
    assert result.best.levels["answer.manual.count"] != 0
    row = ROWS[0]
    (message,) = pl.render(result.best.prompts["answer"], {**row, "query": "box 0x0"})
    assert message["content"] in asked
    assert "b0x0" in message["content"]


def test_a_function_shows_what_it_found(tmp_path: Path):
    async def app(row: Any, prompts: Any, llm: Any) -> str:
        found = [p for p in row["contexts"] if "striped" not in p["text"]]
        return await llm(prompts["prompt"], question=row["question"], contexts=found)

    space = SearchSpace(
        "{{ cite }}\n\n{{ found }}\n\n{{ question }}",
        {"cite": CITE, "found": Contexts("contexts", count=(0, 1))},
    )
    with ScriptedServer(reader) as server:
        result = optimized(server, space, tmp_path, target=app)
    assert result.test.best == 2.0
    assert not any("striped" in prompt for prompt in server.prompts)


@pytest.mark.slow
def test_a_second_run_pays_nothing(tmp_path: Path):
    space = SearchSpace(
        "{{ cite }}\n\n{{ found }}\n\n{{ question }}",
        {"cite": CITE, "found": Contexts("contexts", count=(0, 2), order=["given", "best_last"])},
    )
    with ScriptedServer(reader) as server:
        first = optimized(server, space, tmp_path)
        again = optimized(server, space, tmp_path)
        assert again.spent.calls == 0
    assert replace(again, run="").best.levels == first.best.levels
    assert essence(first)[3:5] == essence(again)[3:5]


RUN = """
space:
  messages: {user: "{{ hint }} {{ found }} {{ question }}"}
  components:
    hint: {choice: [null, Look twice.]}
    found: {contexts: {field: contexts, count: [0, 2]}}
objective:
  dataset: rows.jsonl
  splits: {train: 0.2, select: 0.4, test: 0.4}
  scorers: [{exact_match: colour}, {citations: cites}]
  goal: maximize exact_match
model: {name: m, base_url: "http://127.0.0.1:9/v1"}
track: false
"""
CHANGES = [
    ("field: contexts", "field: context", "run.yaml:6: no row has the field 'context'", "contexts"),
    ("field: contexts", "field: colour", "'colour' is the target", ""),
    ("field: contexts", "field: question", "rows.jsonl:1: 'question' is no list", ""),
    ("field: contexts", "feild: contexts", "run.yaml:6", "field"),
    ("count: [0, 2]", "count: [0, 2], markup: html", "run.yaml:6", "xml"),
    ("count: [0, 2]", "count: many", "a count cannot be 'many'", ""),
    ("count: [0, 2]", "count: [2, 0]", "the range starts at 2", ""),
    ("count: [0, 2]", "count: [-1, 2]", "a count of passages is negative", ""),
    ("contexts: {field: contexts", "context: {field: contexts", "run.yaml:6", "contexts"),
    ("{contexts: {field: contexts, count: [0, 2]}}", "{contexts: contexts}", "run.yaml:6", ""),
    ("{contexts: {field: contexts, count: [0, 2]}}", "{contexts: }", "run.yaml:6", ""),
    (
        "{contexts: {field: contexts, count: [0, 2]}}",
        "{retrieve: {corpus: none.jsonl, query: question, count: 1}}",
        "there is no file",
        "",
    ),
    (
        "{contexts: {field: contexts, count: [0, 2]}}",
        "{retrieve: {corpus: rows.jsonl, query: question, count: 1}}",
        "rows.jsonl:1: the passage has no text in 'text'",
        "",
    ),
    (
        "{contexts: {field: contexts, count: [0, 2]}}",
        "{retrieve: {corpus: rows.jsonl, field: question, query: quest, count: 1}}",
        "no row has the field 'quest'",
        "question",
    ),
    (
        "{contexts: {field: contexts, count: [0, 2]}}",
        "{retrieve: {corpus: rows.jsonl, field: question, query: question, count: 1, by: bm52}}",
        "run.yaml:6",
        "bm25",
    ),
    (
        "{contexts: {field: contexts, count: [0, 2]}}",
        "{demos: {count: 1, select: nearst, template: '{{ question }}'}}",
        "run.yaml:6",
        "nearest",
    ),
    (
        "{contexts: {field: contexts, count: [0, 2]}}",
        "{demos: {count: 1, select: nearest, template: '{{ colour }}'}}",
        "cannot take the nearest rows",
        "",
    ),
    ("{citations: cites}", "{citations: {target: cites, contexts: passages}}", "passages", ""),
    ("found: {contexts", "question: {contexts", "{{ question }} is both", ""),
]


@pytest.mark.parametrize(("right", "wrong", "said", "near"), CHANGES)
def test_mistakes_are_named_with_file_and_line(
    tmp_path: Path, right: str, wrong: str, said: str, near: str
):
    rows = "".join(f"{json.dumps(row)}\n" for row in ROWS)
    (tmp_path / "rows.jsonl").write_text(rows, "utf-8")
    file = tmp_path / "run.yaml"
    text = RUN if "question: {contexts" not in wrong else RUN.replace("{{ found }} ", "")
    file.write_text(text.replace(right, wrong), "utf-8")
    done = CliRunner().invoke(main, ["check", str(file)])
    assert done.exit_code == 2, done.output
    assert said in done.output.replace(str(tmp_path) + "/", "")
    assert near in done.output
    assert "Traceback" not in done.output


def test_a_row_with_a_mistake_is_named(tmp_path: Path):
    rows = [dict(row) for row in ROWS]
    rows[16]["contexts"] = [{"id": "a"}]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in rows), "utf-8")
    file = tmp_path / "run.yaml"
    file.write_text(RUN, "utf-8")
    with pytest.raises(InputError) as error:
        run(Job.load(file))
    assert (error.value.where or "").endswith("rows.jsonl:17")


def test_scorers_of_contexts_need_some(tmp_path: Path):
    rows = [{key: value for key, value in row.items() if key != "contexts"} for row in ROWS]
    bare = pl.Objective(rows, scorers=SCORERS, splits={"train": 0.2, "select": 0.4, "test": 0.4})
    space = SearchSpace("{{ cite }} {{ question }}", {"cite": CITE})
    with ScriptedServer(reader) as server, pytest.raises(InputError, match="needs contexts"):
        optimized(server, space, tmp_path, objective=bare)
    assert server.arrived == []


@pytest.mark.slow
def test_an_operator_sees_the_passages(tmp_path: Path):
    def writer(arrived: Arrived) -> str:
        if "<new>" in arrived.prompt:
            return f"<new>Read all passages, number {len(arrived.prompt)}.</new>"
        return reader(arrived)

    space = SearchSpace(
        "{{ task }} {{ cite }}\n\n{{ found }}\n\n{{ question }}",
        {
            "task": pl.Text("Answer.", rewrite=True),
            "cite": CITE,
            "found": Contexts("contexts", count=2),
        },
    )
    with ScriptedServer(writer) as server:
        optimized(server, space, tmp_path, operators=["rewrite"])
    requests = [prompt for prompt in server.prompts if "<new>" in prompt]
    assert any("Passage [b" in prompt for prompt in requests)
