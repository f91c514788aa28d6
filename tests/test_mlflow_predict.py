"""Functions that format MLflow's registered prompts as target; and promptlathe as an optimizer of
`mlflow.genai.optimize_prompts`."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import OBJECTIVE, ROWS
from tests.orders import check_account, lucky, model, parallel

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.records import Prompt
from promptlathe.runtime.evaluator import Target
from promptlathe.runtime.seam import CallFailed
from promptlathe.space import BoundSpace
from promptlathe.targets.frameworks.predict import PredictTarget, is_predict, registered_space
from promptlathe.targets.given import given_target
from promptlathe.testing.contexts import ScriptedContext
from promptlathe.testing.scripted import Arrived, ScriptedServer
from promptlathe.testing.targets import TargetSuite

pytestmark = pytest.mark.slow  # importing MLflow takes seconds
CHAT = [
    {"role": "system", "content": "Sort {so} {{tone}}."},
    {"role": "user", "content": "Ticket: {{ text }}"},
]


def registered(name: str, template: Any) -> Any:
    """As `load_prompt` gives it."""
    from mlflow.entities.model_registry import PromptVersion

    return PromptVersion(name, 1, template)


@cache
def client(url: str = "http://127.0.0.1:9/v1") -> Any:
    import openai

    return openai.OpenAI(base_url=url, api_key="none", max_retries=0)


def predict(text: str) -> str:
    """With two prompts, one after the other."""
    plan = registered("team-plan", "Plan {{ text }}").format(text=text)
    noted = _ask([{"role": "user", "content": plan}])
    return _ask(registered("answer", CHAT).format(tone="well", text=f"{text} {noted}"))


def _ask(messages: Any) -> str:
    answer = client().chat.completions.create(model="m", messages=messages, temperature=0)
    return answer.choices[0].message.content or ""


@cache
def async_client() -> Any:
    import openai

    return openai.AsyncOpenAI(base_url="http://127.0.0.1:9/v1", api_key="none", max_retries=0)


async def predict_async(text: str) -> str:
    asks = async_client()
    plan = registered("team-plan", "Plan {{ text }}").format(text=text)
    noted = await asks.chat.completions.create(
        model="m", messages=[{"role": "user", "content": plan}]
    )
    messages: Any = registered("answer", CHAT).format(
        tone="well", text=f"{text} {noted.choices[0].message.content}"
    )
    pieces = await asks.chat.completions.create(model="m", messages=messages, stream=True)
    return "".join([piece.choices[0].delta.content or "" async for piece in pieces])


def seed(vary: Any = (), **levels: str) -> Mapping[str, Prompt]:
    templates: dict[str, Any] = {"team-plan": "Plan {{ text }}", "answer": CHAT}
    space = registered_space(templates, vary, None, where="here")
    return BoundSpace(space, ()).candidate({**space.seed_levels, **levels}).prompts


class TestPredict(TargetSuite):
    function = staticmethod(predict)

    def prompts(self) -> Mapping[str, Prompt]:
        return seed()

    def target(self) -> Target:
        return PredictTarget(self.function)

    def test_each_prompt_under_test_is_sent_with_its_parameters(self) -> None:
        """The code sets the parameters: what was made of which prompt, it does not say."""


class TestAsyncPredict(TestPredict):
    function = staticmethod(predict_async)


async def test_the_candidates_texts_are_formatted_while_it_runs():
    vary = {"team_plan.template": ["Think of {{ text }}."], "answer.system": ["Be {{ tone }}."]}
    levels = {"team_plan.template": "Think of {{ text }}.", "answer.system": "Be {{ tone }}."}
    ctx = ScriptedContext(lambda asked: "said")
    assert await PredictTarget(predict).run(seed(vary, **levels), {"text": "a"}, ctx) == "said"
    assert [one.prompt for one in ctx.asked] == ["Think of a.", "Be well.\nTicket: a said"]
    assert dict(ctx.asked[0].request.parameters) == {"temperature": 0}
    assert registered("team-plan", "Plan {{ text }}").format(text="a") == "Plan a"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda text: text, "none of the prompts team_plan, answer was formatted"),
        (
            lambda text: client().responses.create(model="m", input=predict(text)),
            "/v1/responses asks a model, and only chat completions can be counted",
        ),
        (
            lambda text: client().chat.completions.create(model="m", messages=[], n=2),
            "the code passes n to its model",
        ),
    ],
)
async def test_what_cannot_be_counted_is_told(function: Any, said: str):
    with pytest.raises(CallFailed, match=said):
        await PredictTarget(function).run(seed(), {"text": "a"}, ScriptedContext(lambda asked: "b"))


def test_which_functions_it_is():
    fields = ["text", "label", "a"]
    for function, is_one in (
        (predict, True),
        (lambda **inputs: "", True),
        (lambda row, prompts, llm: "", False),
        (lambda row, prompts, llm, more=1: "", False),
        (lambda text, label, a: "", True),
        (lambda txt: "", False),
        (lambda: "", False),
    ):
        assert is_predict(function, lambda: fields) is is_one
    assert is_predict(lambda question: "", lambda: ["inputs", "outputs"])
    assert isinstance(given_target(predict, lambda: fields), PredictTarget)
    with pytest.raises(InputError, match="cannot be called with a row, the prompts and llm"):
        given_target(lambda txt: "", lambda: fields)


# Whole runs, on a real store

ONLY = "Answer with the team only: {{ text }}"
CALLS = 300


def teams(arrived: Arrived) -> str:
    """Right for those who are told to name the team only, and else now and then."""
    row = next(row for row in ROWS if str(row["text"]) in arrived.prompt)
    good = "team only" in arrived.prompt or lucky({"id": row["text"]}, 4, "teams")
    return str(row["label"]) if good else "Let me think."


@pytest.fixture
def store(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow's own functions use the store of this test, and its registry has a prompt."""
    import mlflow

    from promptlathe.track import default_uri

    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):  # MLflow sets them too
        monkeypatch.setenv(name, default_uri(state))
    # Another test's active experiment is none of this store.
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
    mlflow.set_tracking_uri(default_uri(state))
    mlflow.set_registry_uri(default_uri(state))
    mlflow.genai.register_prompt(name="sort-it", template="Which team?\n{{text}}")
    yield
    mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType] - as it was
    mlflow.set_registry_uri(None)  # pyright: ignore[reportArgumentType]


def sorting(url: str) -> Any:
    import mlflow

    def predict_fn(text: str) -> str:
        prompt = mlflow.genai.load_prompt("prompts:/sort-it/1")
        content: Any = prompt.format(text=text)
        answer = client(url).chat.completions.create(
            model="shop", messages=[{"role": "user", "content": content}]
        )
        return answer.choices[0].message.content or ""

    return predict_fn


def test_a_predict_fn_is_a_target_as_it_is(store: None, tmp_path: Path):
    import mlflow

    with pytest.raises(InputError, match="the prompt prompts:/other/1 cannot be loaded"):
        pl.from_mlflow("prompts:/other/1")
    space = pl.from_mlflow("prompts:/sort-it/1", vary={"template": [ONLY, "Think. {{ text }}"]})
    with ScriptedServer(teams) as server:
        predict_fn = sorting(server.base_url)
        result = pl.optimize(
            space,
            OBJECTIVE,
            target=predict_fn,
            model=model(server),
            budget=pl.Budget(calls=CALLS),
            parallel=parallel("local", 8),
            track=False,
            workspace=tmp_path,
        )
        check_account(result, server, calls=CALLS)
        assert (result.verdict, result.test.best) == ("better", 1)
        scored = [arrived.body["messages"] for arrived in server.arrived]
        # Registered as the next version, the same function sends what was scored.
        (message,) = result.best.prompts["sort_it"].messages
        mlflow.genai.register_prompt(name="sort-it", template=message.text)
        row = OBJECTIVE.examples("test")[0].row
        prompt: Any = mlflow.genai.load_prompt("prompts:/sort-it/2")
        assert [{"role": "user", "content": prompt.format(text=row["text"])}] in scored
        assert predict_fn(row["text"]) in (row["label"], "Let me think.")
        assert server.arrived[-1].body["messages"][0]["content"].startswith("Which team?\n")


def test_an_optimizer_of_mlflows(store: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It asks for no more evaluations than it may, and its scores are of rows held out."""
    import mlflow
    from mlflow.genai.scorers import scorer

    monkeypatch.chdir(tmp_path)

    @scorer(name="accuracy")
    def accuracy(outputs: Any, expectations: Any) -> float:
        return float(outputs == expectations["expected_response"])

    data = [{"inputs": {"text": row["text"]}, "outputs": row["label"]} for row in ROWS]
    optimizer = pl.PromptlatheOptimizer(vary={"template": [ONLY]}, max_metric_calls=200)
    with ScriptedServer(teams) as server:
        done = mlflow.genai.optimize_prompts(
            predict_fn=sorting(server.base_url),
            train_data=data,
            prompt_uris=["prompts:/sort-it/1"],
            optimizer=optimizer,
            scorers=[accuracy],
        )
        assert 60 < len(server.arrived) <= 201  # MLflow asks once to see that it works
    (best,) = done.optimized_prompts
    assert (best.name, best.version, best.template) == (
        "sort-it",
        2,
        ONLY.replace("{{ text }}", "{{text}}"),
    )
    assert done.final_eval_score == 1
    assert done.initial_eval_score is not None
    assert done.initial_eval_score < 0.6
    assert optimizer.result is not None
    assert optimizer.result.verdict == "better"


class Record:
    """Of MLflow's, as far as it is read."""

    def __init__(self, output: str, score: float | None) -> None:
        self.outputs, self.score, self.rationales = output, score, {"accuracy": "so"}


def evaluating(score: Any) -> Any:
    """An `eval_fn`, and how many rows it was given at once."""
    sizes: list[int] = []

    def evaluate(prompts: Any, rows: Any) -> list[Record]:
        sizes.append(len(rows))
        return [Record("out", score(prompts, row)) for row in rows]

    return evaluate, sizes


DATA = [{"inputs": {"text": row["text"]}, "expectations": {"label": row["label"]}} for row in ROWS]


def test_rows_of_a_candidate_are_evaluated_together_and_chat_prompts_come_back():
    evaluate, sizes = evaluating(lambda prompts, row: "Be kind" in prompts["p"] and len(row) > 1)
    optimizer = pl.PromptlatheOptimizer(vary={"system": ["Be kind, {{ tone }}."]}, seed=1)
    given = {"p": json.dumps(CHAT)}
    done = optimizer.optimize(evaluate, DATA, given, enable_tracking=False)
    assert json.loads(done.optimized_prompts["p"]) == [
        {"role": "system", "content": "Be kind, {{tone}}."},
        CHAT[1],
    ]
    assert (done.initial_eval_score, done.final_eval_score) == (0, 1)
    assert max(sizes) > 8
    worse, _ = evaluating(lambda prompts, row: "Be kind" not in prompts["p"])
    kept = optimizer.optimize(worse, DATA, given, enable_tracking=False)
    assert json.loads(kept.optimized_prompts["p"]) == CHAT


def test_what_an_optimizer_is_refused():
    evaluate, _ = evaluating(lambda prompts, row: None)
    for more, said in (
        ({}, "nothing may vary"),
        ({"vary": ["template"], "policy": "lath"}, "lath"),
        ({"rewriter": {"nam": "m"}}, "nam"),
        ({"vary": ["template"], "concurrency": 0}, "concurrency"),
    ):
        with pytest.raises(InputError, match=said):
            pl.PromptlatheOptimizer(**more)
    optimizer = pl.PromptlatheOptimizer(vary={"template": ["Other {{ text }}"]})
    with pytest.raises(InputError, match="there are no rows"):
        optimizer.optimize(None, [], {"p": "Say {{ text }}"})
    with pytest.raises(InputError, match="the rows have no score"):
        optimizer.optimize(evaluate, DATA, {"p": "Say {{ text }}"})


def test_from_a_run_file(tmp_path: Path):
    (tmp_path / "app.py").write_text("def predict_fn(text):\n    return text\n", "utf-8")
    rows = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / "rows.jsonl").write_text(rows, "utf-8")
    (tmp_path / "run.yaml").write_text(
        """
steps: {sort: {space: {messages: {user: "{{ a }} {{ text }}"}, components: {a: {choice: [a, b]}}}}}
target: app.py:predict_fn
objective: {dataset: rows.jsonl, scorers: [{exact_match: {target: label}}]}
model: pocket
""",
        "utf-8",
    )
    assert isinstance(Job.load(tmp_path / "run.yaml").target, PredictTarget)
