"""The key: sent to its service and to nobody else, and never told, whatever comes back."""

import json
import logging

import pytest
from aiohttp import web
from tests.services import ask, completion, serving

from promptlathe.errors import InputError
from promptlathe.models import ModelSettings, check_key
from promptlathe.records import Answer, Failure

KEY = "sk-c4n4ry/Very+Secret="
ECHOES = {
    "json": json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY}}),
    "list": json.dumps([f"who is {KEY}?"]),
    "text": f"no access with {KEY}",
    "html": f"<html><body>401: Authorization: Bearer {KEY}</body></html>",
    "headers": json.dumps({"error": {"message": {"Authorization": f"Bearer {KEY}"}}}),
    "bare": json.dumps({"headers": {"Authorization": f"Bearer {KEY}"}, "url": f"?key={KEY}"}),
    "late": json.dumps({"error": {"message": f"{'x' * 290} {KEY}"}}),
    "escaped": json.dumps({"error": f"https://h/v1?api_key={KEY.replace('/', '%2F')}"}),
    "choice": json.dumps({"choices": [{"error": {"message": f"Bearer {KEY}"}}]}),
    "beside": json.dumps(completion("hi") | {"error": {"message": f"Bearer {KEY}"}}),
    "reason": json.dumps(completion(None, finish_reason=f"{'x' * 270} {KEY}")),
}
CUT = ("late", "reason")
"""What is told of them may end before the key, or within it."""


def hidden(reply: Answer | Failure) -> bool:
    """Not the key, nor a part of it that would help."""
    assert isinstance(reply, Failure)
    return not any(part in repr(reply) for part in ("c4n4ry", "Very", "Secret"))


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404, 422, 429, 500, 502, 503])
async def test_no_failure_tells_the_key(
    status: int, echo: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    async with serving() as (service, url):
        service.says(ECHOES[echo], status)
        reply = await ask(url, api_key_env="MY_KEY")
        assert service.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert hidden(reply)
    assert isinstance(reply, Failure)
    assert "***" in reply.detail or echo in CUT
    assert KEY not in caplog.text


async def test_what_a_redirect_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another host does not get the key; its page does not tell the one in the address."""
    monkeypatch.setenv("MY_KEY", KEY)
    for status in (301, 302, 303, 307, 308):
        async with serving() as (other, elsewhere), serving() as (service, url):
            other.says(ECHOES["html"], 403)
            service.says("", status, Location=f"{elsewhere}/login?key={KEY}")
            reply = await ask(url, api_key_env="MY_KEY")
            assert hidden(reply)
            assert len(other.headers) == 1
            assert "Authorization" not in other.headers[0]


async def test_redirects_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    async with serving() as (service, url):
        service.says("", 307, Location=f"{url}/again?key={KEY}")
        reply = await ask(url, api_key_env="MY_KEY")
    assert hidden(reply)
    assert isinstance(reply, Failure)
    assert reply.reason == "connection"


async def test_a_connection_that_is_cut_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)

    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.write(f"{KEY} is no HTTP\r\n\r\n".encode())
        request.transport.close()
        return web.Response()

    async with serving() as (service, url):
        service.handlers.append(cut)
        assert hidden(await ask(url, api_key_env="MY_KEY"))
    assert hidden(await ask(url, api_key_env="MY_KEY"))


@pytest.mark.parametrize("line", ["{}\n", "{}\r\n", " {}", "\t{}\n\n"])
async def test_a_key_from_a_file_with_its_line_end(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", line.format(KEY))
    async with serving() as (service, url):
        service.says(ECHOES["json"], 401)
        assert hidden(await ask(url, api_key_env="MY_KEY"))
        assert service.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["päss-c4n4ry", "c4n4ry\nx", "c4n4ry\x7f"])
def test_a_key_that_no_header_holds_is_bad_input(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with pytest.raises(InputError, match="the key in MY_KEY") as caught:
        check_key(ModelSettings(name="m", api_key_env="MY_KEY"))
    assert "c4n4ry" not in str(caught.value)
