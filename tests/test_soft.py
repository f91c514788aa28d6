"""How likely the model thought the right answer: from the service to what `lathe` makes of it."""

import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.jobs import essence
from tests.outcomes import scored

import promptlathe as pl
from promptlathe.job import Job
from promptlathe.job.lanes import lanes_of
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models import ModelSettings
from promptlathe.models.likely import ASKED
from promptlathe.records import Answer, Call, Message, Request, Sent, Trace
from promptlathe.search.lathe.features import Category, Encoder
from promptlathe.search.lathe.link import logistic
from promptlathe.search.lathe.model import Data, Fit, answers, fit
from promptlathe.search.lathe.soft import LEAST, Relation
from promptlathe.search.lathe.table import Table
from promptlathe.space import join
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

# What a score makes of it

ROWS = [{"text": f"row {i}", "label": ("yes", "no")[i % 2]} for i in range(120)]
SPLITS = {"train": 0.2, "select": 0.5, "test": 0.3}
OBJECTIVE = pl.Objective(ROWS, scorer=pl.exact_match("label", parse="label"), splits=SPLITS)
LIKELY = (("yes", 0.6), ("no", 0.2))


def outcome(text: str, likely: Any, objective: pl.Objective = OBJECTIVE, label: str = "no") -> Any:
    call = Sent(Call("m", ()), Answer(text, likely=likely))
    example = next(e for e in objective.examples("select") if e.row["label"] == label)
    return scored(objective, example, Trace(text, (call,)))


def test_of_the_chances_of_all_labels_that_of_the_right_one() -> None:
    wrong = outcome("Yes.", LIKELY)
    assert (wrong.value, wrong.soft) == (0.0, pytest.approx(0.25))
    right = outcome("Yes.", LIKELY, label="yes")
    assert (right.value, right.soft) == (1.0, pytest.approx(0.75))


def test_of_a_label_with_almost_no_chance_none() -> None:
    assert outcome("yes", (("yes", 1.0),)).soft == 0


@pytest.mark.parametrize(
    ("text", "likely"),
    [("yes", ()), ("no", LIKELY), ("maybe", LIKELY), ("yes", (("yes", 0.0),))],
)
def test_chances_of_something_else_than_what_was_read_say_nothing(text: str, likely: Any) -> None:
    assert outcome(text, likely).soft is None


def test_an_output_that_is_no_answer_of_the_model_has_none() -> None:
    call = Sent(Call("m", ()), Answer("yes", likely=LIKELY))
    made = scored(OBJECTIVE, OBJECTIVE.examples("select")[0], Trace("yes!", (call,)))
    assert made.parsed == "yes"
    assert made.soft is None


def test_a_goal_of_several_scores_takes_it_in_the_place_of_its_own() -> None:
    several = pl.Objective(
        ROWS,
        scorers=[
            pl.exact_match("label", parse="label", name="right"),
            pl.contains("label", name="named"),
        ],
        goal="maximize 0.8*right + 0.2*named",
        splits=SPLITS,
    )
    made = outcome("Yes.", LIKELY, several, label="yes")
    assert made.value == pytest.approx(1.0)
    assert made.soft == pytest.approx(0.8 * 0.75 + 0.2)


# Who is asked

PLAIN = {"messages": "{{ tone }} {{ text }}", "components": {"tone": {"choice": ["Hm:", "So:"]}}}


def job(workspace: Path, **more: Any) -> Job:
    given: dict[str, Any] = {
        "space": pl.SearchSpace(**PLAIN),
        "objective": OBJECTIVE,
        "workspace": workspace,
    }
    given["model"] = ModelSettings(name="m", base_url="http://127.0.0.1:9/v1")
    return Job(**{**given, **more})


def asks(one: Job, role: Any = "task", step: str = "") -> bool:
    request = Request((Message("user", "hi"),))
    return bool(lanes_of(one).call(request, role=role, step=step, repeat=0).labels)


def test_the_target_is_asked_for_the_chances_of_the_labels(tmp_path: Path) -> None:
    lanes = lanes_of(job(tmp_path))
    call = lanes.call(Request((Message("user", "hi"),)), role="task", step="", repeat=0)
    assert sorted(call.labels) == ["no", "yes"]


@pytest.mark.parametrize(
    "more",
    [
        {"search": SearchOptions(soft="off")},
        {"search": SearchOptions(policy="halving")},
        {"parallel": ParallelOptions(engine="batch")},
        {"model": ModelSettings(name="m", provider="groq")},
        {"objective": pl.Objective(ROWS, scorer=pl.exact_match("label"), splits=SPLITS)},
        {
            "objective": pl.Objective(
                [{"text": str(i), "label": str(i)} for i in range(120)],
                scorer=pl.exact_match("label", parse="label"),
                splits=SPLITS,
            )
        },
    ],
)
def test_nobody_is_asked_in_vain(more: dict[str, Any], tmp_path: Path) -> None:
    assert not asks(job(tmp_path, **more))


def test_a_judge_and_a_rewriter_are_not_asked(tmp_path: Path) -> None:
    judged = pl.Objective(
        ROWS,
        scorers=[pl.exact_match("label", parse="label"), pl.judge(rubric="Is it polite?")],
        splits=SPLITS,
    )
    one = job(tmp_path, objective=judged)
    assert asks(one)
    assert not asks(one, "judge", "judge")


def test_of_a_chain_the_step_that_makes_the_output(tmp_path: Path) -> None:
    space = pl.SearchSpace(**PLAIN)
    last = pl.SearchSpace(
        messages="{{ plan }} {{ tone }}", components={"tone": pl.Choice(["Hm", "So"])}
    )
    chain = job(tmp_path, space=join({"plan": space, "answer": last}))
    assert asks(chain, step="answer")
    assert not asks(chain, step="plan")


# A whole job


def sure(arrived: Arrived) -> Reply:
    """Surer, and oftener right, with `So:`."""
    number = int(arrived.prompt.split()[-1])
    right = ("yes", "no")[number % 2]
    margin = 3 * math.sin(7.7 * number) + (1.5 if "So:" in arrived.prompt else 0)
    chance = 1 / (1 + math.exp(-margin))
    said, other = (right, "no" if right == "yes" else "yes")
    if chance < 0.5:
        said, other, chance = other, said, 1 - chance
    top = [
        {"token": token, "logprob": math.log(p)}
        for token, p in ((said, chance), (other, 1 - chance))
    ]
    choice = {
        "message": {"content": said},
        "finish_reason": "stop",
        "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
    }
    usage = {"prompt_tokens": 5, "completion_tokens": 1}
    return Reply(body=json.dumps({"choices": [choice], "usage": usage}))


def optimized(server: ScriptedServer, folder: Path, **more: Any) -> pl.Result:
    return pl.optimize(
        pl.SearchSpace(**PLAIN),
        OBJECTIVE,
        model={"name": "m", "base_url": server.base_url},
        budget={"calls": 150},
        parallel={"concurrency": 1},
        track=False,
        report=False,
        workspace=folder,
        progress=False,
        **more,
    )


def test_a_run_is_told_them_keeps_them_and_takes_the_same_course_again(tmp_path: Path) -> None:
    heard: list[float | None] = []
    with ScriptedServer(sure) as server:
        first = optimized(server, tmp_path, warm_start=False)
        asked = [arrived.body for arrived in server.arrived]
        assert all(body.items() >= ASKED.items() for body in asked)
        again = optimized(server, tmp_path, warm_start=False)
        assert len(server.arrived) == len(asked), "they stand in the ledger"
    assert essence(again) == essence(first)
    with sqlite3.connect(tmp_path / ".promptlathe" / "ledger.db") as ledger:
        heard = [one for (one,) in ledger.execute("SELECT likely FROM answers")]
    assert len(heard) == len(asked)
    assert all(heard)


def test_without_it_nobody_is_asked(tmp_path: Path) -> None:
    with ScriptedServer(sure) as server:
        optimized(server, tmp_path, soft="off")
        assert not any("logprobs" in arrived.body for arrived in server.arrived)


# The model of outcomes

LEVELS = "abcdefgh"
ENCODER = Encoder([Category("tone", LEVELS)])
N, M = len(LEVELS), 60


def world(
    seed: int, *, cells: int = 10, offset: float = 0.1, noise: float = 0.0
) -> tuple[Data, np.ndarray]:
    """Data with z, and the true u; z is a function of how far the right answer was ahead."""
    rng = np.random.default_rng(seed)
    u, d = rng.standard_normal(N), 2 * rng.standard_normal(M)
    ahead = u[:, None] - d + rng.logistic(size=(N, M))
    y = (ahead > 0).astype(float)
    b = offset * rng.standard_normal(N)
    z = logistic(0.5 * (ahead + b[:, None] + noise * rng.standard_normal((N, M))))
    unknown = rng.permuted(np.tile(np.arange(M), (N, 1)), axis=1) >= cells
    y[unknown], z[unknown] = np.nan, np.nan
    phi = ENCODER.encode([(level,) for level in LEVELS])
    return Data(ENCODER.groups, phi, y, np.ones((N, M)), soft=z), u


def settled(data: Data) -> Fit:
    found = fit(data)
    for _ in range(12):
        found = fit(data, found)
    return found


def errors(make: Callable[[int], tuple[Data, np.ndarray]]) -> tuple[float, float]:
    """Mean squared error of u, with z and without, over twenty worlds; means aside."""
    found: list[tuple[float, float]] = []
    for seed in range(20):
        data, u = make(seed)
        off = [settled(one).u - u for one in (data, replace(data, soft=None))]
        found.append((float(np.var(off[0])), float(np.var(off[1]))))
    return tuple(np.mean(found, axis=0).tolist())


def test_the_chances_say_more_than_right_and_wrong() -> None:
    with_z, without = errors(lambda seed: world(seed, cells=20))
    assert with_z < 0.8 * without


def test_chances_that_are_noise_are_left_aside() -> None:
    with_z, without = errors(lambda seed: world(seed, noise=12.0))
    assert with_z == pytest.approx(without, rel=0.1)
    weights = [settled(world(0, noise=noise)[0]).priors.soft.weight for noise in (0.0, 12.0)]
    assert weights[1] < 0.1 * weights[0]


@pytest.mark.parametrize("cells", [10, 30])
@pytest.mark.parametrize("sharpness", [3.0, 8.0, 1000.0])
def test_a_model_that_is_sure_of_all_it_says_is_not_heard_twice(
    cells: int, sharpness: float
) -> None:
    def sharp(seed: int) -> tuple[Data, np.ndarray]:
        data, u = world(seed, cells=cells)
        assert data.soft is not None
        logit = sharpness * np.log(data.soft / (1 - data.soft))
        return replace(data, soft=logistic(np.clip(logit, -30, 30))), u

    with_z, without = errors(sharp)
    assert with_z < 1.05 * without


def test_a_prompt_that_is_surer_than_it_is_right_is_not_taken_for_better() -> None:
    """All prompts are equally good; the last is twice as sure, whatever it says."""
    said: list[float] = []
    for seed in range(10):
        data, _ = world(seed, cells=40, offset=0)
        rng = np.random.default_rng(seed)
        ahead = -2 * rng.standard_normal(M) + rng.logistic(size=(N, M))
        y, z = (ahead > 0).astype(float), logistic(0.5 * ahead)
        z[-1] = logistic(0.5 * ahead[-1] + 1.0)
        unknown = np.isnan(data.y)
        y[unknown], z[unknown] = np.nan, np.nan
        found = settled(replace(data, y=y, soft=z))
        said.append(float(found.u[-1] - found.u[:-1].mean()))
        assert found.offset[-1] > found.offset[:-1].max()
    assert abs(np.mean(said)) < 0.35


@pytest.mark.parametrize("seed", range(5))
def test_the_posterior_is_the_highest_there_is(seed: int) -> None:
    data, _ = world(seed)
    found = settled(data)
    assert found.priors.soft.weight > 0
    inverse = np.linalg.inv(found.kernel)

    def density(u: np.ndarray, b: np.ndarray) -> float:
        cells = answers(data, found.priors).difficulty(u, b)[1]
        relation = found.priors.soft
        far = np.sum((b - relation.level) ** 2) / relation.variance
        return cells - 0.5 * float(u @ inverse @ u) - 0.5 * float(far)

    rng, top = np.random.default_rng(seed), density(found.u, found.offset)
    for size in (0.1, 0.3, 1.0):
        moves = size * rng.standard_normal((20, 2, N))
        assert all(density(found.u + du, found.offset + db) < top + 0.03 for du, db in moves)


def test_the_variance_of_u_is_that_of_the_posterior_without_b() -> None:
    """Of the joint posterior, by a Hessian that is computed in another way."""
    data, _ = world(3)
    found = settled(data)
    relation, inverse = found.priors.soft, np.linalg.inv(found.kernel)
    cells = answers(data, found.priors)

    def energy(x: np.ndarray) -> float:
        u, b = x[:N], x[N:]
        far = float(np.sum((b - relation.level) ** 2) / relation.variance)
        return 0.5 * float(u @ inverse @ u) + 0.5 * far - cells.difficulty(u, b)[1]

    step, at, size = 1e-3, np.concatenate([found.u, found.offset]), 2 * N
    move = step * np.eye(size)
    hessian = np.array(
        [
            [
                energy(at + p + q) - energy(at + p - q) - energy(at - p + q) + energy(at - p - q)
                for q in move
            ]
            for p in move
        ]
    ) / (4 * step**2)
    exact = np.sqrt(np.diag(np.linalg.inv(hessian))[:N])
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(exact, rel=0.15)


def test_before_there_are_answers_enough_nothing_is_estimated() -> None:
    data, _ = world(0, cells=LEAST // N)
    assert settled(data).priors.soft == Relation()


def test_without_any_chance_all_is_as_without() -> None:
    data, _ = world(1)
    nowhere = replace(data, soft=np.full(data.y.shape, np.nan))
    assert settled(nowhere).u.tolist() == settled(replace(data, soft=None)).u.tolist()


def test_an_answer_is_worth_asking_for_its_chance_too() -> None:
    data, _ = world(2)
    found = settled(data)
    without = replace(found, data=replace(data, soft=None))
    u = found.u[:2]
    assert (found.information(u) > without.information(u)).all()


def test_a_table_keeps_the_mean_chance_of_repeats() -> None:
    table = Table(2)
    table.add((), np.zeros(1))
    for soft in (0.2, None, 0.4):
        table.send(0, 1)
        table.take(0, 1, 1.0, soft)
    assert np.isnan(table.soft[0, 0])
    assert 0.2 <= table.soft[0, 1] <= 0.4
