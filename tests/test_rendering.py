"""`promptlathe.render`: the messages that were scored, byte for byte."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import ROWS

import promptlathe as pl
from promptlathe.data.corpus import load_corpora
from promptlathe.errors import InputError
from promptlathe.job import Result
from promptlathe.records import Example, Prompt
from promptlathe.space import BoundSpace, Contexts, Retrieve
from promptlathe.testing.scripted import Arrived, ScriptedServer
from promptlathe.track import default_uri
from promptlathe.track.backend import ENVIRONMENT

WITH_CONTEXTS = [
    {**row, "id": f"r{i}", "notes": [f"{row['text']} <b>", {"id": "x", "text": "Other & more"}]}
    for i, row in enumerate(ROWS)
]
SPACE = pl.SearchSpace(
    {"user": "{{ task }}\n\n{{ notes_shown }}\n\n{{ demos }}\n\nText: {{ text }}\nLabel:"},
    {
        "task": pl.Choice(["Name the label.", "Which label is it?"]),
        "notes_shown": Contexts("notes", count=(1, 2), markup=["xml", "jsonl"]),
        "demos": pl.Demos(
            count=(0, 4),
            select=["random", "nearest"],
            template="Text: {{ text }}\nLabel: {{ label }}",
        ),
    },
)


def objective(rows: list[dict[str, Any]] = WITH_CONTEXTS) -> pl.Objective:
    return pl.Objective(
        rows,
        scorer=pl.exact_match("label"),
        splits={"train": 0.3, "select": 0.3, "test": 0.4, "stratify": "label"},
    )


def learner(arrived: Arrived) -> str:
    """What the last demo says; without one, always the same."""
    return (["billing", *re.findall(r"Label: (\w+)", arrived.prompt)])[-1]


def optimized(server: ScriptedServer, **more: Any) -> Result:
    model = {"name": "scripted", "base_url": server.base_url}
    return pl.optimize(
        SPACE, objective(), model=model, budget=pl.Budget(calls=350), warm_start=False, **more
    )


def sent(server: ScriptedServer) -> set[str]:
    """The messages of all calls, as they came."""
    return {json.dumps(arrived.body["messages"], ensure_ascii=False) for arrived in server.arrived}


def text(messages: Any) -> str:
    return json.dumps(messages, ensure_ascii=False)


def test_a_result_renders_what_was_scored(tmp_path: Path):
    with ScriptedServer(learner) as server:
        result = optimized(server, track=False, workspace=tmp_path)
    assert result.verdict == "better"
    assert result.best.levels["demos.select"] == "nearest"
    known = sent(server)
    for example in objective().examples("test"):
        assert text(pl.render(result, example.row)) in known
    told = result.best.to_dict()["fills"]
    assert told["demos"]["kind"] == "nearest"
    with pytest.raises(InputError, match="the row lacks what the prompt shows: notes, text"):
        pl.render(result, {"label": "billing"})
    with pytest.raises(InputError, match="the pool of demos has changed"):
        pl.render(result, ROWS[0] | {"notes": []}, pool=WITH_CONTEXTS[:3])


@pytest.fixture
def environment(tracked: Path) -> Iterator[Path]:
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    os.environ["MLFLOW_TRACKING_URI"] = default_uri(tracked / ".promptlathe")
    yield tracked
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.slow
def test_a_registered_prompt_renders_what_was_scored(environment: Path):
    options = {"prompt": "labels", "promote": "if_better"}
    with ScriptedServer(learner) as server:
        result = optimized(server, track=options, workspace=environment)
        assert result.promoted == 2
        known = sent(server)
        again = optimized(server, track=options, workspace=environment)
    assert again.champion is not None
    assert again.champion.candidate == result.best.candidate
    assert again.test_champion is not None
    uri = "prompts:/labels@champion"
    train = [dict(example.row) for example in objective().showing(SPACE.shown).examples("train")]
    shuffled = [{k: v for k, v in row.items() if k != "id"} for row in reversed(train)]
    for example in objective().examples("test"):
        rendered = text(pl.render(uri, example.row, pool=objective()))
        assert rendered in known
        assert rendered == text(pl.render("prompts:/labels/2", example.row, pool=shuffled))
    row = train[0]
    with pytest.raises(InputError, match="the nearest demos of a pool of rows"):
        pl.render(uri, row)
    with pytest.raises(InputError, match="the pool of demos has changed"):
        pl.render(uri, row, pool=objective(WITH_CONTEXTS[3:]))
    with pytest.raises(InputError, match="MLflow has no prompts:/labels/9"):
        pl.render("prompts:/labels/9", row)
    fewer = [one for one in WITH_CONTEXTS if one["text"] != row["text"]]
    with ScriptedServer(learner) as server:
        other = pl.optimize(
            SPACE,
            objective(fewer),
            model={"name": "scripted", "base_url": server.base_url},
            budget=pl.Budget(calls=300),
            track=options,
            workspace=environment,
            warm_start=False,
        )
    assert other.champion is None
    assert any("the pool of demos has changed" in note for note in other.notes)


@pytest.mark.parametrize("wrong", ["labels", "prompts:/labels", "prompts:/labels@", 3, None])
def test_what_is_no_prompt_is_refused(wrong: Any):
    with pytest.raises(InputError):
        pl.render(wrong, {})


def test_a_prompt_out_of_a_registry_gets_its_pools_by_name(tmp_path: Path):
    """As it comes out: with the rules, and without what they take from."""
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "a", "text": "The parcel is late."}\n', "utf-8")
    space = pl.SearchSpace(
        "{{ found }}\n\n{{ demos }}\n\n{{ text }}",
        {
            "found": Retrieve(corpus, query="text", count=1, by="tfidf"),
            "demos": pl.Demos(count=1, select="nearest", template="{{ text }} {{ label }}"),
        },
    )
    train = [Example(str(i), row, "train") for i, row in enumerate(ROWS[:9])]
    bound = BoundSpace(space, train, "label", corpora=load_corpora(space))
    prompt = bound.seed.prompt
    bare = Prompt(prompt.messages, fills=prompt.fills)
    row = {"text": "My parcel, please"}
    pools = {"found": str(corpus), "demos": ROWS[:9]}
    assert pl.render(bare, row, pool=pools) == pl.render(prompt, row)
    assert "The parcel is late." in pl.render(prompt, row)[0]["content"]
    for pool, said in [
        (None, "shows passages of a corpus"),
        ({"found": str(corpus)}, "the nearest demos of a pool"),
        ({**pools, "demos": 3}, "a pool of demos is rows"),
        ({**pools, "found": [1]}, "a corpus is a file"),
        ({**pools, "demos": str(tmp_path / "none.jsonl")}, "none.jsonl"),
    ]:
        with pytest.raises(InputError, match=said):
            pl.render(bare, row, pool=pool)
