"""What one run leaves in a real MLflow store."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.track_samples import (
    BEST,
    EXAMPLES,
    SEED,
    Teller,
    about,
    answered,
    conclusion,
    prompt,
    standing,
)

from promptlathe.decide import Comparison
from promptlathe.errors import InputError
from promptlathe.records import (
    Answer,
    Call,
    Candidate,
    Cell,
    Estimate,
    Example,
    Failure,
    Image,
    Message,
    Outcome,
    Prompt,
    Role,
    Sent,
    Trace,
)
from promptlathe.space.rendering import render
from promptlathe.testing.records import outcome
from promptlathe.track import (
    default_uri,
    registered_names,
)
from promptlathe.track.promotion import commit_message
from promptlathe.track.records import Curve, Stopped

ODD = (
    'Say "so" \\ once, \\1 \\g<0> \\u00e9 C:\\new\\table.\n\n  {"label": "{x}", "n": [1, {}]} '
    "$HOME $1 %s {single} }} { { ünïcödé 漢字 🜁\u2028 trailing spaces   \n"
)


@pytest.fixture
def book(state: Path) -> Teller:
    return Teller(state)


EFFECTS = '{"columns": ["component", "effect"], "data": [["role", 1.5]]}'


def children(client: Any, experiment: str, kind: str) -> list[Any]:
    return client.search_runs([experiment], f"tags.`promptlathe.kind` = '{kind}'")


def text_of(run: Any, name: str) -> str:
    return Path(run.info.artifact_uri, name).read_text("utf-8")


def test_the_parent_run_holds_the_inputs_and_the_result(book: Teller, client: Any):
    started = book.start(about())
    points = (
        ("progress/score_best", 1, 0.5),
        ("progress/score_seed", 1, 0.5),
        ("progress/score_best", 60, 0.7),
    )
    book.tell(Curve(60, points))
    assert book.conclude(conclusion()).problems == ()
    run = client.get_run(started.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"policy": "tpe", "seed": "0"}
    assert run.data.tags["mlflow.note.content"].endswith("\n\n## Better")
    metrics = run.data.metrics
    assert metrics["test_seed"] == 0.5
    assert metrics["test_best"] == 0.75
    assert metrics["test_gain_low"] == 0.1
    assert metrics["total_metric_calls"] == 60
    assert metrics["cost_usd"] == 0.5
    history = client.get_metric_history(started.run_id, "progress/score_best")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (60, 0.7)]
    (given,) = run.inputs.dataset_inputs
    assert given.dataset.name == "tickets.test"
    assert json.loads(given.dataset.profile) == {"num_rows": 3}
    assert [tag.value for tag in given.tags] == ["test"]


def test_the_artifacts_of_the_parent(
    book: Teller, client: Any, state: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(state))  # `load_table` reads it
    started = book.start(about())
    for example in EXAMPLES:
        book.test_outcome("seed", answered(SEED, example, "refund"))
        book.test_outcome("best", answered(BEST, example, "billing"))
    book.conclude(conclusion(tables={"effects.json": EFFECTS}))
    run = client.get_run(started.run_id)
    assert text_of(run, "run.yaml") == "model: pocket\n"
    assert json.loads(text_of(run, "best_prompt.json"))["parameters"] == {"temperature": 0.2}
    assert "Answer<ins> well</ins>.\n" in text_of(run, "prompt_diff.html")
    assert json.loads(text_of(run, "result.json")) == {"verdict": "better"}
    assert json.loads(text_of(run, "order.jsonl")) == {"seq": 0}
    table = client.load_table("1", "test_rows.json", [started.run_id])
    assert list(table["seed_answer"]) == ["refund"] * 3
    assert list(table["best_score"]) == [1.0] * 3
    assert list(table["expected"]) == ["billing"] * 3
    effects = client.load_table("1", "effects.json", [started.run_id])
    assert effects.to_dict("records") == [{"component": "role", "effect": 1.5}]


def test_a_candidate_is_a_nested_run_with_its_levels(book: Teller, client: Any):
    started = book.start(about())
    estimate = Estimate(0.6, 0.5, 0.7, 24)
    told = {"cells": 24, "tokens": 3000, "cost": 0.01, "failures": 1, "failed": 3, "unread": 2}
    book.candidate(standing(BEST, estimate, **told, state="dropped", number=7))
    book.candidate(standing(SEED, cells=3, failures=3, state="dropped"))
    without, scored = sorted(
        children(client, started.experiment_id, "candidate"), key=lambda r: r.info.run_name
    )
    assert scored.data.params == {"role": "agent", "count": "4"}
    assert scored.data.metrics == {
        "select_estimate": 0.6,
        "select_low": 0.5,
        "select_high": 0.7,
        "select_rows": 24,
        "select_cells": 24,
        "select_tokens": 3000,
        "select_cost_usd": 0.01,
        "select_failures": 1,
        "select_failed": 3,
        "select_unread": 2,
    }
    assert scored.data.tags["mlflow.parentRunId"] == started.run_id
    assert scored.data.tags["promptlathe.candidate"] == BEST.id
    assert scored.data.tags["promptlathe.state"] == "dropped"
    assert scored.info.status == "FINISHED"
    assert json.loads(text_of(scored, "prompt.json"))["id"] == BEST.id
    figures = {name[7:]: figure for name, figure in without.data.metrics.items()}
    assert figures == {"cells": 3, "failures": 3, "failed": 0, "unread": 0}


def test_a_finalist_is_one_run_of_what_it_is_and_what_it_gave(book: Teller, client: Any):
    started = book.start(about())
    book.test_outcome("best", answered(BEST, EXAMPLES[0], "billing"))
    book.candidate(standing(SEED), "seed")  # no row was asked
    book.candidate(standing(BEST, Estimate(0.9, 0.8, 1.0, 24), number=7), "best")
    book.conclude(conclusion())
    (seed,) = children(client, started.experiment_id, "candidate")
    (best,) = children(client, started.experiment_id, "evaluation")
    assert (seed.info.run_name, best.info.run_name) == (
        "seed · candidate 0",
        f"best · {about().label}",
    )
    assert best.data.params == {"role": "agent", "count": "4"}
    assert best.data.metrics["exact_match/mean"] == 1.0
    assert best.data.metrics["select_estimate"] == 0.9
    assert best.data.tags["promptlathe.candidate"] == BEST.id
    assert best.data.tags["promptlathe.number"] == "7"
    assert json.loads(text_of(best, "prompt.json"))["id"] == BEST.id


def test_a_run_lasts_from_its_begin_to_its_end(book: Teller, client: Any):
    started = book.start(about(began=1_699_999_940_000))
    book.conclude(conclusion())
    run = client.get_run(started.run_id)
    label = about(began=1_699_999_940_000).label
    assert run.info.run_name == f"0.50 → 0.75 better · {label} · pocket"
    assert run.info.end_time - run.info.start_time == 60_000


def test_an_evaluation_run_shows_each_row(book: Teller, client: Any):
    started = book.start(about())
    book.test_outcome("best", answered(BEST, EXAMPLES[0], "billing"))
    book.test_outcome("best", answered(BEST, EXAMPLES[1], "refund"))
    book.test_outcome("best", outcome(Cell(BEST, EXAMPLES[2]), Failure("timeout", "30 s")))
    assert book.conclude(conclusion(promote=False)).problems == ()
    (run,) = children(client, started.experiment_id, "evaluation")
    assert run.data.tags["mlflow.runType"] == "genai_evaluate"
    assert run.data.metrics == {
        "exact_match/mean": 0.5,
        "f1/mean": pytest.approx(0.65),
        "examples": 3,
        "failures": 1,
        "failed": 0,
        "unread": 0,
        "tokens": 84,
        "cost_usd": pytest.approx(0.002),
    }
    traces = client.search_traces(
        locations=[started.experiment_id], run_id=run.info.run_id, order_by=["timestamp_ms ASC"]
    )
    by_example = {t.info.trace_metadata["promptlathe.example"]: t for t in traces}
    right, wrong, failed = (by_example[e.id] for e in EXAMPLES)
    row, call = right.data.spans
    assert row.inputs == {"text": "My invoice 0"}
    assert row.outputs == "billing"
    assert call.inputs["messages"] == [m.to_dict() for m in render(BEST.prompt, EXAMPLES[0].row)]
    assert call.inputs["temperature"] == 0.2
    assert right.info.token_usage["total_tokens"] == 42
    said = {a.name: a for a in wrong.info.assessments}
    assert said["exact_match"].value is False
    assert said["f1"].value == 0.3
    assert said["label"].value == "billing"
    assert said["f1"].rationale == "expected 'billing', read 'refund'"
    assert failed.info.state == "ERROR"
    assert {a.name for a in failed.info.assessments} == {"label", "call"}


def test_a_promoted_prompt_is_the_champion_and_linked_both_ways(book: Teller, client: Any):
    started = book.start(about())
    (registered,) = book.conclude(conclusion()).registered.values()
    assert registered.uri == "prompts:/support-triage/1"
    version = client.get_prompt_version_by_alias("support-triage", "champion")
    assert version.commit_message == (
        "+0.25 over the seed (95 % interval +0.10 to +0.40): 0.75 on 108 held-out rows"
    )
    assert version.tags["mlflow.prompt.run_ids"] == started.run_id
    assert version.tags["score"] == "0.7500"
    assert version.tags["interval"] == "+0.1000 to +0.4000"
    assert version.tags["n"] == "108"
    assert version.tags["verdict"] == "better"
    assert version.model_config == {"model_name": "pocket", "max_tokens": 50, "temperature": 0.2}
    # A run's page lists what is found by that tag, and once more what this one would name.
    assert "mlflow.linkedPrompts" not in client.get_run(started.run_id).data.tags
    found = client.search_prompts(f'experiment_id = "{started.experiment_id}"')
    assert [p.name for p in found] == ["support-triage"]


def test_nothing_is_registered_without_a_promotion(book: Teller, client: Any):
    book.start(about())
    assert book.conclude(conclusion(promote=False)).registered == {}
    assert list(client.search_prompts()) == []


def test_the_next_run_finds_the_champion_as_it_was_scored(book: Teller, state: Path):
    first = book.start(about())
    assert first.champion.prompts == {}
    book.conclude(conclusion())
    second = Teller(state)
    champion = second.start(about(experiment="another")).champion.prompts["prompt"]
    assert champion.prompt == BEST.prompt
    assert (champion.version, champion.run_id) == (1, first.run_id)
    met = {"support-triage": 1}
    assert second.conclude(conclusion(best=SEED.prompts, aliased=met)).registered
    third = Teller(state).start(about()).champion.prompts["prompt"]
    assert third.prompt == SEED.prompt


def test_a_champion_that_somebody_else_registered(book: Teller, client: Any):
    client.create_prompt("support-triage")
    config = {"model_name": "gpt", "temperature": 0.5}
    client.create_prompt_version("support-triage", "Label: {{ text }}", model_config=config)
    client.set_prompt_alias("support-triage", "champion", 1)
    champion = book.start(about()).champion.prompts["prompt"]
    assert champion.prompt == Prompt(
        (Message("user", "Label: {{ text }}"),), (("temperature", 0.5),)
    )
    assert champion.run_id is None


def test_a_champion_that_is_a_program_is_left_alone(book: Teller, client: Any):
    client.create_prompt("support-triage")
    client.create_prompt_version("support-triage", "{% if text %}{{ text }}{% endif %}")
    client.set_prompt_alias("support-triage", "champion", 1)
    started = book.start(about())
    assert started.champion.prompts == {}
    assert "prompts:/support-triage/1 is a Jinja program" in started.problems[0]


def test_a_loaded_prompt_renders_to_exactly_what_was_scored(
    book: Teller, state: Path, monkeypatch: pytest.MonkeyPatch
):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(state))
    best = prompt(ODD + "{{ text }} and {{hint}} again {{  text  }}" + ODD)
    rows = [
        Example("a", {"text": ODD, "hint": "", "label": "x"}, "test"),
        Example("b", {"text": 'C:\\temp\\1 "{}" $2 {x}', "hint": None, "label": 3}, "test"),
    ]
    book.start(about())
    for row in rows:
        book.test_outcome("best", outcome(Cell(Candidate.single((), best), row), Answer("x")))
    assert book.conclude(conclusion(best={"prompt": best})).problems == ()
    loaded: Any = mlflow.genai.load_prompt("prompts:/support-triage@champion")
    for row in rows:
        ours = [m.to_dict() for m in render(best, row.row)]
        assert loaded.format(**row.row) == ours


def test_a_row_that_mlflow_would_fill_twice_is_told(book: Teller):
    best = prompt("{{ text }}")
    row = Example("tricky", {"text": "{{ label }}", "label": "billing"}, "test")
    book.start(about())
    book.test_outcome("best", outcome(Cell(Candidate.single((), best), row), Answer("x")))
    concluded = book.conclude(conclusion(best={"prompt": best}))
    assert concluded.registered
    assert "for example tricky" in concluded.problems[0]


def test_a_failed_write_is_a_problem_and_costs_only_itself(book: Teller, client: Any):
    started = book.start(about())
    bad = Candidate.single((("a component ✗", 1),), prompt("other"))
    book.candidate(standing(SEED))
    book.candidate(standing(bad, number=1))
    concluded = book.conclude(conclusion())
    assert len(concluded.problems) == 1
    assert "MLflow did not take the candidate" in concluded.problems[0]
    assert concluded.registered
    assert client.get_run(started.run_id).info.status == "FINISHED"
    ended = {
        run.info.run_name: run.info.status
        for run in children(client, started.experiment_id, "candidate")
    }
    assert ended == {"candidate 0": "FINISHED", "candidate 1": "FAILED"}


PAIR = {
    "route": Prompt((Message("user", "Team for: {{ text }}"),), (("temperature", 0.1),)),
    "answer": Prompt((Message("system", "Reply as {{ team }}."), Message("user", "{{ text }}"))),
}
NAMES = registered_names("support-triage", PAIR)


def test_several_prompts_are_registered_together_and_read_back(
    book: Teller, client: Any, state: Path
):
    pair = about(prompts=tuple(PAIR))
    started = book.start(pair)
    concluded = book.conclude(conclusion(seed=PAIR, best=PAIR))
    assert concluded.problems == ()
    assert [one.uri for one in concluded.registered.values()] == [
        "prompts:/support-triage-route/1",
        "prompts:/support-triage-answer/1",
    ]
    versions = {
        name: client.get_prompt_version_by_alias(name, "champion") for name in NAMES.values()
    }
    assert len({version.tags["promptlathe.set"] for version in versions.values()}) == 1
    assert {v.tags["mlflow.prompt.run_ids"] for v in versions.values()} == {started.run_id}
    champion = Teller(state).start(pair).champion.prompts
    assert {name: one.prompt for name, one in champion.items()} == PAIR
    assert {one.run_id for one in champion.values()} == {started.run_id}


def test_a_champion_of_versions_that_do_not_belong_together_is_none(
    book: Teller, client: Any, state: Path
):
    pair = about(prompts=tuple(PAIR))
    book.start(pair)
    book.conclude(conclusion(seed=PAIR, best=PAIR))
    other = Teller(state)
    other.start(pair)
    met = dict.fromkeys(NAMES.values(), 1)
    assert other.conclude(conclusion(seed=PAIR, best=PAIR, aliased=met)).registered
    client.set_prompt_alias("support-triage-route", "champion", 1)
    mixed = Teller(state).start(pair)
    assert mixed.champion.prompts == {}
    assert "were not registered together" in mixed.problems[0]
    client.delete_prompt_alias("support-triage-route", "champion")
    lacking = Teller(state).start(pair)
    assert lacking.champion.prompts == {}
    assert "support-triage-route have no version 'champion'" in lacking.problems[0]


def test_pictures_and_a_response_format_come_back_as_they_were(
    book: Teller, client: Any, state: Path
):
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    content = ("What is wrong with it?", Image("{{ photo }}", "low"))
    best = Prompt((Message("user", content),), (("response_format", schema),))
    book.start(about())
    row = Example("a", {"photo": "https://example.org/a.png", "label": "x"}, "test")
    book.test_outcome("best", outcome(Cell(Candidate.single((), best), row), Answer("x")))
    assert book.conclude(conclusion(best={"prompt": best})).problems == ()
    version = client.get_prompt_version_by_alias("support-triage", "champion")
    assert version.template == [{"role": "user", "content": "What is wrong with it?\n{{ photo }}"}]
    assert version.response_format == schema
    assert "response_format" not in version.model_config
    assert Teller(state).start(about()).champion.prompts["prompt"].prompt == best


def test_a_conversation_and_tools_come_back_as_they_were(book: Teller, client: Any, state: Path):
    tool = {"type": "function", "function": {"name": "dim", "parameters": {"type": "object"}}}
    best = Prompt(
        (Message("system", "You run a house."), Message("conversation", "{{ messages }}")),
        (("tools", [tool]),),
        (("dim", "lights"),),
    )
    book.start(about())
    turns = [{"role": "user", "content": "Dim the {{ label }} light."}]
    row = Example("a", {"messages": turns, "label": "x"}, "test")
    book.test_outcome("best", outcome(Cell(Candidate.single((), best), row), Answer("x")))
    assert book.conclude(conclusion(best={"prompt": best})).problems == ()
    version = client.get_prompt_version_by_alias("support-triage", "champion")
    assert version.template[1] == {"role": "conversation", "content": "{{ messages }}"}
    assert version.model_config["tools"] == [tool]
    read = Teller(state).start(about()).champion.prompts["prompt"].prompt
    assert (read, read.id) == (best, best.id)


def test_the_decision_against_a_champion_is_told(book: Teller, client: Any):
    started = book.start(about())
    over = Comparison(0.7, 0.75, 0.05, 0.01, 0.09, 108, 0, alpha=0.02)
    more = {"compared_with": "champion", "recommended": "best", "opening": 3, "notes": ("a note",)}
    book.conclude(conclusion(champion=over, **more))
    run = client.get_run(started.run_id)
    assert run.data.metrics["test_opening"] == 3
    assert run.data.metrics["test_gain_over_champion_low"] == 0.01
    assert run.data.tags["promptlathe.compared_with"] == "champion"
    assert run.data.tags["promptlathe.recommended"] == "best"
    assert run.data.tags["promptlathe.notes"] == "a note"
    version = client.get_prompt_version_by_alias("support-triage", "champion")
    assert version.commit_message.startswith(
        "+0.05 over the champion (98 % interval +0.01 to +0.09): "
    )


def test_a_trace_has_a_span_for_each_call_and_the_judges_reason(book: Teller, client: Any):
    started = book.start(about())
    steps: tuple[tuple[str, Role], ...]
    steps = ("route", "task"), ("answer", "task"), ("tone", "judge")
    calls = tuple(
        Sent(Call("m", (Message("user", step),), role=role, step=step), Answer("a", 1, 1, 0.5))
        for step, role in steps
    )
    told = Outcome(
        Cell(BEST, EXAMPLES[0]),
        Trace({"team": "billing"}, calls),
        {"tone": 1.0},
        1.0,
        rationales={"tone": "it is polite"},
    )
    book.test_outcome("best", told)
    book.conclude(conclusion(promote=False))
    (trace,) = client.search_traces(locations=[started.experiment_id])
    row, *below = sorted(trace.data.spans, key=lambda span: span.parent_id is not None)
    assert row.outputs == {"team": "billing"}
    assert [span.name for span in sorted(below, key=lambda span: span.start_time_ns)] == [
        "route",
        "answer",
        "tone",
    ]
    assert trace.info.execution_duration == 1500
    assert trace.info.token_usage["total_tokens"] == 4  # of the target alone
    (tone,) = [one for one in trace.info.assessments if one.name == "tone"]
    assert (tone.rationale, tone.source.source_type) == ("it is polite", "LLM_JUDGE")


def test_an_aborted_run_ends_with_its_reason(book: Teller, client: Any):
    started = book.start(about())
    book.test_outcome("seed", answered(SEED, EXAMPLES[0], "billing"))
    book.tell(Stopped("FAILED", "the model refuses the key"))
    run = client.get_run(started.run_id)
    assert run.info.status == "FAILED"
    assert "refuses the key" in run.data.tags["mlflow.note.content"]
    (side,) = children(client, started.experiment_id, "evaluation")
    assert side.info.status == "FAILED"


def test_a_deleted_experiment_is_named(book: Teller, client: Any):
    client.delete_experiment(client.create_experiment("triage"))
    with pytest.raises(InputError, match="'triage' is deleted"):
        book.start(about())
    assert client.search_runs(["1"]) == []


def test_a_name_that_a_model_has(book: Teller, client: Any):
    client.create_registered_model("support-triage")
    with pytest.raises(InputError, match="is a registered model in MLflow"):
        book.start(about())


def test_the_commit_message_without_a_comparison():
    assert commit_message(conclusion(comparison=None)) == "not compared on held-out rows"
