"""Each step of a chain by itself: its own model, what it took, its scorers, and who rewrites it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.orders import FACTS, chain, row_of, shop, step_of

import promptlathe as pl
from promptlathe.cli.rows import changed_lines
from promptlathe.cli.steps import step_lines
from promptlathe.errors import InputError
from promptlathe.job import Job, Result, make_plan, run
from promptlathe.job.described import metrics, tables
from promptlathe.job.runfile import SearchOptions
from promptlathe.models.pricing import Price, Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.scoring import Objective, exact_match, function
from promptlathe.space import JoinedSpace, SearchSpace, join
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

RULE = {"regex": r"Rule: (\w+)"}
OBJECTIVE = Objective.load(FACTS)
BOTH = Objective(
    OBJECTIVE.folder / "orders.jsonl",
    scorers=[
        exact_match("rule", parse=RULE, name="rule").at("plan"),
        exact_match("decision", parse="label"),
    ],
    goal="maximize exact_match",
    splits=OBJECTIVE.splits,
)


ASKED = "Message: {{ message }}\nNote of a colleague: {{ plan }}"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, list[Arrived]]:
    rules = pl.Choice({"none": None, "full": "Rules of the shop: …"})
    form = pl.Choice({"draft": "Say it.", "bare": "Answer with one of these words only: wait, …"})
    space = join(
        {
            "plan": SearchSpace("{{ rules }}\nMessage: {{ message }}", {"rules": rules}),
            "answer": SearchSpace(f"{{{{ form }}}}\n{ASKED}", {"form": form}),
        }
    )
    with ScriptedServer(shop) as server:
        folder = tmp_path_factory.mktemp("steps")
        job = chain(folder, server, calls=200, objective=BOTH, space=space)
        quick = SearchOptions(policy="random", operators=())
        return run(replace(job, search=quick)), server.arrived


def test_each_step_is_counted(told: tuple[Result, list[Arrived]]) -> None:
    result, arrived = told
    plan, answer = result.steps
    sent = {name: [a for a in arrived if step_of(a) == name] for name in ("plan", "answer")}
    assert [one.step for one in result.steps] == ["plan", "answer"]
    for one in (plan, answer):
        assert 0 <= len(sent[one.step]) - one.calls <= 2, "but cells that were dropped"
        assert (one.model, one.cut_off, one.failed) == ("shop", 0, {})
        assert one.latency is not None
        assert one.usd is None, "no price is known"
    assert plan.cached > 0, "a change in step 2 asks step 1 nothing"
    assert (plan.tokens or 0) + (answer.tokens or 0) <= result.spent.tokens
    assert json.loads(json.dumps(result.to_dict()))["steps"][0]["step"] == "plan"
    assert metrics(result)["step_plan_calls"] == plan.calls
    assert "steps.json" in tables(result)


def test_a_scorer_of_a_step_reads_that_step(told: tuple[Result, list[Arrived]]) -> None:
    result, _ = told
    plan, answer = result.steps
    before, after = plan.scores["rule"]
    assert before is not None
    assert (before < 0.6, after) == (True, 1.0)
    assert answer.scores == {}
    assert any("rule" in line and "→ 1.000" in line for line in step_lines(result.steps))


def test_rows_that_changed_are_shown_with_each_step_s_output(
    told: tuple[Result, list[Arrived]],
) -> None:
    result, _ = told
    gained = sum(1 if row.change == "fixed" else -1 for row in result.changed)
    assert gained == round(result.test.gain * result.test.examples)
    first = result.changed[0]
    assert list(first.outputs) == ["plan", "answer"]
    assert first.example[0] == "o", "the row's own id"
    assert first.outputs["answer"][1] is not None
    assert first.expected in first.outputs["answer"][1]
    lines = changed_lines(result)
    assert lines[0].startswith(f"From seed to best: {len(result.changed)} rows fixed, 0 broken")
    assert any(line.startswith("    plan: ") and " → 'Rule: " in line for line in lines)
    table = json.loads(tables(result)["changed_rows.json"])
    assert table["columns"][-2:] == ["answer, seed", "answer, best"]
    assert len(table["data"]) == len(result.changed)


def test_a_job_with_one_prompt_has_no_steps(told: tuple[Result, list[Arrived]]) -> None:
    result = replace(told[0], steps=(), rows=())
    assert step_lines(result.steps) == changed_lines(result) == []
    assert "steps.json" not in tables(result)


# Four steps, each with a service of its own


def four() -> JoinedSpace:
    hint = {"hint": pl.Choice({"vague": "Say something.", "clear": "Count the words."})}
    return join(
        {
            "read": SearchSpace("READ {{ text }}"),
            "count": SearchSpace("COUNT {{ hint }} {{ read }}", hint),
            "check": SearchSpace("CHECK {{ read }} {{ count }}"),
            "say": SearchSpace("SAY {{ check }} {{ count }}"),
        }
    )


def service(arrived: Arrived) -> Reply:
    step, _, rest = arrived.prompt.partition(" ")
    match step:
        case "READ":
            return Reply(f"[{rest}]")
        case "COUNT":
            good = "Count the words." in rest or rest.endswith("0]")
            return Reply("odd" if good and rest[-2] in "13579" else "even", finish_reason="length")
        case "CHECK":
            return Reply("checked")
        case _:
            return Reply(rest.split()[-1])


def test_four_steps_each_with_a_model_of_its_own(tmp_path: Path) -> None:
    rows = [{"text": f"t {n}", "parity": "odd" if n % 2 else "even"} for n in range(60)]
    objective = Objective(rows, scorer=exact_match("parity", parse="label"))
    services = {step: ScriptedServer(service) for step in four().prompts}
    models: dict[str, Any] = {}
    try:
        for step, server in services.items():
            server.__enter__()
            models[step] = {"name": step, "base_url": server.base_url, "max_tokens": 9}
        result = pl.optimize(
            four(),
            objective,
            model=models["say"],
            step_models={step: models[step] for step in ("read", "count", "check")},
            budget=Budget(calls=700),
            prices={step: {"input": 1, "output": 2} for step in models},
            track=False,
            workspace=tmp_path,
        )
    finally:
        for server in services.values():
            server.__exit__()
    assert (result.verdict, result.best.levels["count.hint"]) == ("better", "clear")
    assert [(one.step, one.model) for one in result.steps] == [(s, s) for s in models]
    for one in result.steps:
        assert 0 <= len(services[one.step].arrived) - one.calls <= 32
        assert one.usd is not None
    count = result.steps[1]
    assert count.cut_off == count.calls + count.cached
    assert any("answers of the step count were cut off" in note for note in result.notes)
    assert len(services["count"].arrived) > 1.5 * len(services["read"].arrived)


# Who rewrites one step's text sees that step's inputs and outputs


OPERATORS = ("rewrite", "rules", "format", "labels", "contract")


def test_a_request_about_a_step_shows_what_it_got_and_said(tmp_path: Path) -> None:
    asked: list[str] = []

    def writer(arrived: Arrived) -> str:
        asked.append(arrived.prompt)
        return f"<new>Note the rule, {len(asked)}.</new>"

    texts = {"task": pl.Text("Read it, and note what it is about.", rewrite=True)}
    plan = SearchSpace({"system": "{{ task }}", "user": "Message: {{ message }}\nNote:"}, texts)
    texts = {"task": pl.Text("Say what to do about it, please.", rewrite=True)}
    answer = SearchSpace({"system": "{{ task }}", "user": ASKED}, texts)
    with ScriptedServer(shop) as server, ScriptedServer(writer) as author:
        job = chain(tmp_path, server, calls=300, objective=BOTH)
        job = replace(
            job,
            space=join({"plan": plan, "answer": answer}),
            rewriter=ModelSettings(name="w", base_url=author.base_url),
            search=SearchOptions(policy="random", operators=OPERATORS, rewrite_share=0.6),
        )
        result = run(job)
    of_plan = [text for text in asked if "`plan.task`" in text]
    of_answer = [text for text in asked if "`answer.task`" in text]
    assert of_plan
    assert of_answer
    notes = {row_of(a)["message"]: shop(a) for a in server.arrived if step_of(a) == "plan"}
    for text in of_plan:
        assert 'is the step "plan" of a chain: plan, answer; what it answers is shown to' in text
        assert "Of the chain: ask_details, decline" in text
        wrong = text.partition("# Rows that it got wrong")[2].partition("# Other rows")[0]
        row = wrong.split("<row>")[1]
        message = row.partition("message: ")[2].partition("\n")[0]
        assert f"This step answered: {notes[message]}" in row
        assert "Expected of this step: " in row
        assert "Expected of the chain: " in row
        assert "The chain answered: " in row
        assert "# What is taken for what" not in text, "labels are the last step's matter"
        assert "could not be read" not in text
    for text in of_answer:
        assert "what it answers is the chain's output" in text
    shown = [t for t in of_answer if "plan: " in t.partition("# Rows that it got wrong")[2]]
    assert shown, "the last step's requests show what the first gave it"
    made_of = {one.origin.operator for one in result.lineage if "plan." in one.origin.component}
    assert made_of <= {"rewrite"}, "nothing asks the first step for a label"


# Bad input


def bad(tmp_path: Path, **changes: Any) -> Job:
    with ScriptedServer("x") as server:
        return replace(chain(tmp_path, server, calls=300), **changes)


@pytest.mark.parametrize(
    ("step", "words"),
    [("pln", "did you mean 'plan'?"), ("other", "steps: plan, answer")],
)
def test_a_scorer_of_a_step_that_is_not_there(tmp_path: Path, step: str, words: str) -> None:
    scorers = [exact_match("decision"), exact_match("rule", name="rule").at(step)]
    objective = Objective(OBJECTIVE.folder / "orders.jsonl", scorers=scorers)
    with pytest.raises(InputError) as error:
        make_plan(bad(tmp_path, objective=objective))
    assert words in f"{error.value}"


def test_a_step_s_scorer_in_a_job_with_one_prompt(tmp_path: Path) -> None:
    one = SearchSpace("{{ form }} {{ message }}", {"form": pl.Choice(["A", "B"])})
    with pytest.raises(InputError, match="the job has one prompt"):
        make_plan(bad(tmp_path, space=one, objective=BOTH))


def test_a_model_for_a_step_that_is_not_there(tmp_path: Path) -> None:
    own = {"pln": ModelSettings(name="pocket")}
    with pytest.raises(InputError, match="a model for the step 'pln'"):
        make_plan(bad(tmp_path, step_models=own))


RUN = """
steps:
  plan: {space: %s}
  answer:
    space: {messages: "{{ plan }} {{ form }}", components: {form: {choice: [A, B]}}}
%s
objective: %s
model: pocket
"""
SPACE = '{messages: "{{ message }}"}'
BAD: dict[str, tuple[str, str, str]] = {
    "no key": (SPACE + ", model: {name: m, base_url: 'https://e.org/v1', api_key_env: NO_KEY}", "",
               "NO_KEY"),
    "in the space": (SPACE[:-1] + ", model: {name: m, base_url: 'https://e.org'}}", "", "run file"),
    "misspelt": (SPACE + ", modle: m", "", "did you mean 'model'?"),
    "kind": (SPACE + ", model: 7", "", "number 7"),
    "twice": (SPACE, "  plan: {space: x.yaml}", "stands twice"),
    "output": (SPACE, "output: anser", "did you mean 'answer'?"),
    "space too": (SPACE, "space: x.yaml", "either `space` or `steps`"),
    "later": ('{messages: "{{ message }} {{ answer }}"}', "", "use each other's outputs"),
    "no space": ("", "", "plan"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_run_file_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    part, more, words = BAD[name]
    file = tmp_path / "run.yaml"
    file.write_text(RUN % (part, more, FACTS), "utf-8")
    with pytest.raises(InputError) as error:
        make_plan(Job.load(file, workspace=tmp_path))
    assert words in f"{error.value}"
    assert "run.yaml:" in f"{error.value.where}"


def test_a_step_in_a_function_s_entry() -> None:
    entry = {"function": {"path": "metric.py:good", "step": "plan"}}
    objective = Objective([{"a": 1}], scorers=[entry])
    assert objective.scorers[0].entry() == entry
    assert function("metric.py:good", step="plan") == objective.scorers[0]
    assert Prices({"m": Price(input=1, output=1)})
