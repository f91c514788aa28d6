"""Pictures as outputs: drawn over HTTP, kept, scored, resumed, and what is wrong with them."""

import asyncio
import json
import pickle
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.run import check, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models import ModelSettings, Prices, check_key, connect
from promptlathe.models.images import Pictures
from promptlathe.models.pricing import Price, cost, worst_case
from promptlathe.records import Answer, Budget, Call, Failure, Message
from promptlathe.scoring import judge, questions
from promptlathe.starter import starter
from promptlathe.testing.artist import Artist, draw, is_so, seen
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

COLOURS, SHAPES = ("red", "green", "blue", "yellow"), ("square", "circle", "triangle")
PAIRS = [(a, b) for a in COLOURS for b in SHAPES]
ROWS: list[dict[str, Any]] = [
    {
        "brief": f"Sign {i:02}: first of all {' '.join(PAIRS[i % 12])}",
        "detail": f"{' '.join(PAIRS[(5 * i + 1) % 12])}",
        "asked": [
            f"Is there a {' '.join(PAIRS[i % 12])}?",
            f"Is there a {' '.join(PAIRS[(5 * i + 1) % 12])}?",
        ],
    }
    for i in range(44)
]
SPACE = pl.SearchSpace(
    messages={"user": "{{ style }}\n{{ brief }}\n{{ beside }} {{ detail }}"},
    components={
        "style": pl.Choice({"none": None, "flat": "Flat colours on white."}),
        "beside": pl.Choice({"no": "Beside it, no", "a": "Beside it, a"}),
    },
)


def shapes_seen(row: dict[str, Any], output: str) -> float:
    """The share of what is asked that is there, read from the pixels."""
    there = {f"Is there a {colour} {shape}?" for colour, shape in seen(Path(output).read_bytes())}
    return sum(one in there for one in row["asked"]) / len(row["asked"])


def objective(*scorers: Any) -> pl.Objective:
    splits = {"train": 0.1, "select": 0.5, "test": 0.4}
    return pl.Objective(ROWS, scorers=list(scorers), splits=splits)


def job_at(url: str, workspace: Path, **more: Any) -> Job:
    drawing = ModelSettings(name="gpt-image", api="images", base_url=url, size="1024x1024")
    given: dict[str, Any] = {
        "objective": objective(questions("asked")),
        "model": drawing,
        "judge": ModelSettings(name="eyes", base_url=url),
        "budget": Budget(calls=100),
        "search": SearchOptions(policy="halving", warm_start=False),
        "parallel": ParallelOptions(concurrency=4),
        "track": False,
        "workspace": workspace,
        "prices": Prices({"gpt-image": Price(image=0.04), "eyes": Price(input=1, output=1)}),
    }
    return Job(SPACE, **(given | more))


def drawn_by(server: ScriptedServer) -> int:
    return sum("prompt" in one.body for one in server.arrived)


def test_a_prompt_that_draws_is_tuned_by_what_is_seen(tmp_path: Path) -> None:
    both = objective(questions("asked"), shapes_seen)
    with ScriptedServer(Artist()) as server:
        result = run(job_at(server.base_url, tmp_path, objective=both))
    assert result.best.levels["beside"] == "a"
    assert (result.test.seed, result.test.best) == (0.5, 1.0)
    assert result.verdict == "better"
    body = next(one.body for one in server.arrived if "prompt" in one.body)
    assert body == {"model": "gpt-image", "prompt": body["prompt"], "size": "1024x1024"}
    pictures = drawn_by(server)
    assert result.spent.by_role["task"].usd == pytest.approx(0.04 * pictures)
    files = [path.name for path in (tmp_path / ".promptlathe/images").iterdir()]
    assert 0 < len(files) <= pictures
    assert all(name.endswith(".png") for name in files)


def test_what_was_drawn_is_not_drawn_again(tmp_path: Path) -> None:
    """Nor judged; but a picture that was deleted is."""
    with ScriptedServer(Artist()) as server:
        first = run(job_at(server.base_url, tmp_path))
        before = len(server.arrived)
        assert run(job_at(server.base_url, tmp_path)).test == first.test
        assert run(job_at(server.base_url, tmp_path), replay=first.run).test == first.test
        assert len(server.arrived) == before
        lost = sorted((tmp_path / ".promptlathe/images").iterdir())[0]
        lost.unlink()
        assert run(job_at(server.base_url, tmp_path)).test == first.test
        assert len(server.arrived) == before + 1
        assert lost.exists()


def test_a_drawn_picture_is_shown_by_a_later_step(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path)
    answer = pictures.keep(Answer("", drawn=draw("a red circle")))
    assert answer.text.startswith("image:")
    assert answer.picture is not None
    assert answer.drawn is None
    from promptlathe.models import embed
    from promptlathe.records import Image

    [message] = embed((Message("user", ("see", Image(answer.text))),), tmp_path, None, pictures)
    assert message.images[0].url.startswith("data:image/png;base64,")
    assert pictures.find(replace(answer, text="image:../../secret")) is None


def ask(reply: Reply, **settings: Any) -> Answer | Failure:
    async def go() -> Answer | Failure:
        async with ScriptedServer(reply) as server:
            given = {"name": "m", "api": "images", "base_url": server.base_url, "retries": 0}
            model = ModelSettings(**(given | settings))
            client = connect(model)
            try:
                return await client.answer(model.call((Message("user", "a red circle"),)))
            finally:
                await client.close()

    return asyncio.run(go())


def test_faults_of_what_should_be_a_picture() -> None:
    good = ask(Reply(picture=draw("a red circle")))
    assert isinstance(good, Answer)
    assert good.tokens == 3 + 272
    for reply, reason in (
        (Reply(picture=b"no picture"), "malformed"),
        (Reply(body='{"data": []}'), "malformed"),
        (Reply(body='{"data": [{"b64_json": "%%"}]}'), "malformed"),
        (Reply(body='{"data": [{"url": "https://host/a.png"}]}'), "malformed"),
        (Reply("no", status=400, code="moderation_blocked"), "content_filter"),
        (Reply("slow down", status=429, retry_after=2.0), "rate_limited"),
        (Reply(body="<html>"), "malformed"),
    ):
        failure = ask(reply)
        assert isinstance(failure, Failure), reply
        assert failure.reason == reason, failure


def test_a_picture_has_its_price() -> None:
    call = Call("gpt-image", (Message("user", "a cup"),), api="images")
    image, tokens = Price(image=0.04), Price(input=5, output=40)
    for price, told, paid in (
        (image, Answer(""), 0.04),
        (image, Answer("", 10, 1000), 0.04),
        (tokens, Answer("", 10, 1000), 0.04005),
        (tokens, Answer(""), None),
        (Price(input=5, output=40, image=0.01), Answer("", 10, 1000), 0.05005),
    ):
        prices = Prices({"gpt-image": price})
        assert cost(call, told, prices) == pytest.approx(paid)
        most = worst_case(call, prices).usd
        assert most is not None
        assert most >= (paid or 0)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"judge": None}, "the judge has to write"),
        ({"rewriter": ModelSettings(name="d", api="images", base_url="http://h/v1")}, ""),
        ({"model": ModelSettings(name="d", api="images", base_url="http://h/v1")}, ""),
    ],
)
def test_who_draws_does_not_judge(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    job = job_at("http://127.0.0.1:9/v1", tmp_path, **more)
    if said:
        with pytest.raises(InputError, match=said):
            check(job)
    else:
        assert check(job)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"api": "images", "temperature": 1.0}, "takes no 'temperature'"),
        ({"api": "images", "max_tokens": 9}, "takes no 'max_tokens'"),
        ({"api": "images", "negative_prompt": "text"}, "takes no 'negative_prompt'"),
        ({"api": "text_to_image", "quality": "low"}, "takes no 'quality'"),
        ({"api": "text_to_image", "size": "auto"}, "says no width"),
        ({"api": "images", "size": "large"}, "size"),
        ({"api": "images", "output_format": "svg"}, "output_format"),
        ({"size": "1024x1024"}, "takes no 'size'"),
        ({"api": "image"}, "api"),
        ({"name": "pocket", "api": "images"}, "draws no pictures"),
        ({"api": "images", "extra_body": {"n": 4}}, "may not hold 'n'"),
    ],
)
def test_settings_that_no_api_takes(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ModelSettings(**({"name": "m"} | settings))


def test_a_price_says_something() -> None:
    for given in ({}, {"input": 1}, {"output": 1}, {"cached": 1}):
        with pytest.raises(InputError, match="the price has no"):
            Price(**given)


@pytest.mark.parametrize("asked", ["Is it red?", [], [1], [""], {"a": "b"}, ["Is it?"] * 51])
def test_questions_are_a_list_of_texts(asked: Any) -> None:
    rows = [{"text": f"row {i}", "asked": asked if i == 3 else ["Is it?"]} for i in range(40)]
    with pytest.raises(InputError, match=r"questions|has no .asked"):
        pl.Objective(rows, scorer=questions("asked")).check()


def test_a_judge_is_shown_the_picture(tmp_path: Path) -> None:
    """By a rubric of yours, in a chat; by questions, in the Decisions API."""

    def seeing(arrived: Arrived) -> Reply:
        if "prompt" in arrived.body:
            return Reply(picture=draw(arrived.prompt))
        [picture] = arrived.pictures
        if arrived.questions:
            told = {q["name"]: float(is_so(q["instructions"], picture)) for q in arrived.questions}
            return Reply(json.dumps(told))
        return Reply(json.dumps({"rationale": "seen", "level": "yes" if seen(picture) else "no"}))

    with ScriptedServer(seeing) as server:
        for api, scorer in (("decisions", questions("asked")), ("chat", judge("A shape is there"))):
            eyes = ModelSettings(name="eyes", base_url=server.base_url, api=api)  # type: ignore[arg-type]
            workspace = tmp_path / api
            more = {"judge": eyes, "objective": objective(scorer)}
            result = run(job_at(server.base_url, workspace, **more))
            assert result.test.best == 1.0


def test_the_finalists_pictures_stand_side_by_side(tmp_path: Path) -> None:
    with ScriptedServer(Artist()) as server:
        result = run(job_at(server.base_url, tmp_path))
    page = tmp_path / ".promptlathe" / "pictures" / f"{result.run}.html"
    assert any(str(page) in note for note in result.notes)
    shown = page.read_text("utf-8")
    assert shown.count("data:image/jpeg;base64,") == 2 * result.test.examples
    assert "no: Is there a" in shown


@pytest.mark.slow
def test_mlflow_keeps_the_pictures(tracked: Path) -> None:
    from mlflow.tracking import MlflowClient

    from promptlathe.job.runfile import TrackOptions
    from promptlathe.track.spool import waiting
    from promptlathe.track.store import default_uri

    with ScriptedServer(Artist()) as server:
        more = {"track": TrackOptions()}
        result = run(job_at(server.base_url, tracked, **more))
    state = tracked / ".promptlathe"
    while waiting(state):
        time.sleep(0.05)
    client = MlflowClient(default_uri(state))
    assert result.run_id
    names = {one.path for one in client.list_artifacts(result.run_id)}
    assert {"pictures.html", "images"} <= names
    kept = client.list_artifacts(result.run_id, "images")
    assert len(kept) > 1


class TestHub:
    """`text_to_image` of huggingface_hub, to an endpoint of your own."""

    def ask(self, reply: Reply, **more: Any) -> tuple[Answer | Failure, list[Arrived]]:
        async def go() -> tuple[Answer | Failure, list[Arrived]]:
            async with ScriptedServer(reply) as server:
                model = ModelSettings(
                    name="some/model",
                    api="text_to_image",
                    base_url=server.base_url,
                    timeout=more.pop("timeout", 20),
                    **more,
                )
                client = connect(model)
                try:
                    answer = await client.answer(model.call((Message("user", "a red circle"),)))
                    return answer, server.arrived
                finally:
                    await client.close()

        return asyncio.run(go())

    def test_it_draws(self) -> None:
        more = {"size": "64x48", "negative_prompt": "text", "seed": 3}
        answer, [arrived] = self.ask(Reply(picture=draw("a red circle")), **more)
        assert isinstance(answer, Answer)
        assert answer.drawn is not None
        assert seen(answer.drawn) == [("red", "circle")]
        assert arrived.body == {
            "inputs": "a red circle",
            "parameters": {"width": 64, "height": 48, "negative_prompt": "text", "seed": 3},
        }

    def test_its_faults_are_failures(self) -> None:
        for reply, reason in (
            (Reply("no", status=400), "bad_request"),
            (Reply("no", status=401), "authentication"),
            (Reply("no", status=404), "not_found"),
            (Reply("busy", status=429), "rate_limited"),
            (Reply("broken", status=503), "server_error"),
            (Reply(picture=b"no picture"), "malformed"),
            (Reply(fault="cut"), "connection"),
        ):
            failure, _ = self.ask(reply)
            assert isinstance(failure, Failure), reply
            assert failure.reason == reason, failure
        failure, _ = self.ask(Reply(fault="hang"), timeout=0.3)
        assert isinstance(failure, Failure)
        assert (failure.reason, failure.billed) == ("timeout", 1)

    def test_its_key_is_the_hubs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_TOKEN", raising=False)
        with pytest.raises(InputError, match="HF_TOKEN"):
            check_key(ModelSettings(name="some/model", api="text_to_image"))


def test_a_step_shows_what_another_drew(tmp_path: Path) -> None:
    """The first prompt draws, the second says what is to be seen."""
    (tmp_path / "rows.jsonl").write_text(
        "".join(
            json.dumps({"brief": row["brief"], "shape": PAIRS[i % 12][1]}) + "\n"
            for i, row in enumerate(ROWS)
        )
    )
    (tmp_path / "job.yaml").write_text(
        """
        steps:
          draw:
            space:
              messages: {user: "{{ how }} {{ brief }}"}
              components: {how: {choice: [Draw., Do not draw; no]}}
            model: {name: artist, base_url: "URL", api: images, size: 512x512}
          tell:
            space:
              messages: {user: [What is it?, "{{ form }}", {image: "{{ draw }}"}]}
              components: {form: {choice: [Say., Tell.]}}
        output: tell
        objective: {dataset: rows.jsonl, scorers: [exact_match: shape]}
        model: {name: eyes, base_url: "URL"}
        budget: {calls: 200}
        search: {policy: halving}
        track: false
        """
    )

    def look(arrived: Arrived) -> Reply:
        if "prompt" in arrived.body:
            return Reply(picture=draw(arrived.prompt.replace("no Sign", "no")))
        [picture] = arrived.pictures
        return Reply(seen(picture)[0][1] if seen(picture) else "nothing")

    with ScriptedServer(look) as server:
        text = (tmp_path / "job.yaml").read_text().replace("URL", server.base_url)
        (tmp_path / "job.yaml").write_text(text)
        result = run(Job.load(tmp_path / "job.yaml", workspace=tmp_path))
    assert result.test.best == 1.0
    assert all(one.pictures for one in server.arrived if "prompt" not in one.body)


def test_a_picture_travels_between_processes() -> None:
    """As answers come from Ray's workers."""
    answer = Answer("", 3, 272, drawn=draw("a red circle"))
    assert pickle.loads(pickle.dumps(answer)).drawn == answer.drawn


def test_the_shipped_task_runs(tmp_path: Path) -> None:
    """Here the judge finds in the prompt what it asks for."""
    with ScriptedServer(Artist()) as server:
        settings = (
            ("model.base_url", server.base_url),
            ("judge.base_url", server.base_url),
            ("budget.calls", "160"),
            ("track", "false"),
        )
        file = starter() / "runs" / "product_pictures.yaml"
        result = run(Job.load(file, settings=settings, workspace=tmp_path))
    assert result.verdict
    assert 0 < result.test.seed < 1
    assert result.spent.by_role["judge"].calls
