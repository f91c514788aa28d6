"""Another model for a prompt that works."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from tests.services import Service, serving
from tests.teams import Model, lay_out, register, run_file

from promptlathe.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tracked: Path) -> Path:
    lay_out(tracked)
    register(tracked)
    return tracked


class Two:
    """A service with an old model and a new one."""

    def __init__(self, service: Service) -> None:
        self.models = {"m": Model(), "new": Model()}
        self.models["m"].doubt = self.models["new"].doubt = 0.0
        self.gone: set[str] = set()
        self.asked: list[str] = []
        service.handlers.append(self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"data": [{"id": one} for one in self.models]})
        name = (await request.json())["model"]
        if name in self.gone:
            return web.Response(status=404)
        self.asked.append(name)
        return await self.models[name].answer(request)


async def told(*given: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["migrate", *given])


@pytest.mark.parametrize(
    ("right", "verdict"), [(0.5, "search again"), (0.9, "not clear"), (1.0, "keep the prompt")]
)
async def test_two_models_with_the_same_prompt(workspace: Path, right: float, verdict: str):
    async with serving() as (service, url):
        two = Two(service)
        two.models["new"].right = right
        prices = {"m": {"input": 1, "output": 2}, "new": {"input": 10, "output": 20}}
        file = run_file(workspace, url, prices=prices)
        said = await told(str(file), "--to", "new", "--json", "-", "--quiet")
        assert said.exit_code == 0, said.output
        data = json.loads(said.stdout)
        assert data["verdict"] == verdict
        old, new = data["old"], data["new"]
        assert (old["model"], old["prompt"], old["rows"]) == ("m", "teams/1", 60)
        assert (new["model"], new["prompt"], new["rows"]) == ("new", "teams/1", 60)
        gain = data["comparison"]["gain"]
        assert gain == pytest.approx(new["score"] - old["score"])
        assert new["usd_per_1000"] == pytest.approx(10 * old["usd_per_1000"])
        assert (two.asked.count("m"), two.asked.count("new")) == (60, 60)
        again = await told(str(file), "--to", "new")
        assert again.exit_code == 0
        assert len(two.asked) == 120, "what is known costs nothing"
        assert f"{gain:+.3f}" in again.output
        assert ("--set model.name=new" in again.output) == (verdict != "keep the prompt")


async def test_a_better_model(workspace: Path):
    async with serving() as (service, url):
        two = Two(service)
        two.models["m"].right, two.models["new"].right = 0.5, 1.0
        said = await told(str(run_file(workspace, url)), "--to", "new")
        assert "the champion does at least as well there: +0." in said.output
        assert "next " not in said.output


async def test_a_model_that_is_gone_is_compared_with_by_what_it_said(workspace: Path):
    async with serving() as (service, url):
        two = Two(service)
        file = run_file(workspace, url)
        assert (await told(str(file), "--to", "new")).exit_code == 0
        two.gone.add("m")
        said = await told(str(file), "--to", "new", "--json", "-", "--quiet")
        assert json.loads(said.stdout)["comparison"]["examples"] == 60


async def test_bad_input(workspace: Path):
    async with serving() as (service, url):
        two = Two(service)
        two.gone.add("m")
        said = await told(str(run_file(workspace, url)), "--to", "new")
        assert said.exit_code == 2
        assert "m does not answer any more, and not all of its answers" in said.output
        two.gone = {"new"}
        assert (await told(str(run_file(workspace, url)), "--to", "new")).exit_code == 5
        other: dict[str, Any] = {"track": {"prompt": "others"}}
        said = await told(str(run_file(workspace, url, **other)), "--to", "new")
        assert said.exit_code == 2
        assert "there is no champion of others" in said.output


async def test_with_a_search_on_the_new_model(workspace: Path):
    async with serving() as (service, url):
        two = Two(service)
        two.models["new"].right = 0.5
        file = run_file(workspace, url)
        to = json.dumps({"name": "new", "base_url": url, "retries": 0})
        said = await told(str(file), "--to", to, "--optimize", "--json", "-", "--quiet")
        assert said.exit_code == 0, said.output
        data = json.loads(said.stdout)
        assert data["found"]["model"] == "new"
        assert "no significant gain" in data["found"]["prompt"]
