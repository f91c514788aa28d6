"""Pictures as outputs: drawn over HTTP, kept, scored, resumed, and what is wrong with them."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.run import check, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models import ModelSettings, Prices, connect
from promptlathe.models.images import Pictures
from promptlathe.models.pricing import Price, cost, worst_case
from promptlathe.records import Answer, Budget, Call, Failure, Message
from promptlathe.scoring import questions
from promptlathe.testing.artist import Artist, draw, seen
from promptlathe.testing.scripted import Reply, ScriptedServer

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


def job_at(url: str, workspace: Path, **more: Any) -> Job:
    objective = pl.Objective(
        ROWS,
        scorers=[questions("asked"), shapes_seen],
        goal="maximize questions",
        splits={"train": 0.1, "select": 0.5, "test": 0.4},
    )
    drawing = ModelSettings(name="gpt-image", api="images", base_url=url, size="1024x1024")
    judge = ModelSettings(name="eyes", base_url=url)
    given: dict[str, Any] = {
        "model": drawing,
        "judge": judge,
        "budget": Budget(calls=160),
        "search": SearchOptions(policy="halving", warm_start=False),
        "parallel": ParallelOptions(concurrency=4),
        "track": False,
        "workspace": workspace,
        "prices": Prices({"gpt-image": Price(image=0.04), "eyes": Price(input=1, output=1)}),
    }
    return Job(SPACE, objective, **(given | more))


def drawn_by(server: ScriptedServer) -> int:
    return sum("prompt" in one.body for one in server.arrived)


def test_a_prompt_that_draws_is_tuned_by_what_is_seen(tmp_path: Path) -> None:
    with ScriptedServer(Artist()) as server:
        result = run(job_at(server.base_url, tmp_path))
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
