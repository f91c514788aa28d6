"""Who is told what became of a job, by real HTTP, SMTP and processes."""

import asyncio
import email
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from tests.services import serving
from tests.teams import lay_out, run_file, served

from promptlathe.cli import main
from promptlathe.errors import InputError
from promptlathe.job import Job, check
from promptlathe.notify import Message, Notify, check_ways, tell

MESSAGE = Message("promoted", "triage", "triage: triage/3 is the champion é", {"gain": 0.12})
HOOK = {"webhook": {"url_env": "TEAM_HOOK"}}


@pytest.fixture
def workspace(tracked: Path) -> Path:
    return lay_out(tracked)


def ways(*given: dict[str, Any]) -> list[Notify]:
    return [Notify.model_validate(one) for one in given]


async def told(given: Sequence[Notify], workspace: Path, message: Message = MESSAGE) -> list[str]:
    return await asyncio.to_thread(tell, given, message, workspace)


async def test_a_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with serving() as (service, url):
        service.says("ok")
        monkeypatch.setenv("TEAM_HOOK", f"{url}/hook?token=s3cret")
        assert await told(ways(HOOK), tmp_path) == []
        (body,) = service.bodies
        assert body["text"] == MESSAGE.text
        assert body["data"] == {"gain": 0.12}
        assert (body["moment"], body["job"]) == ("promoted", "triage")


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [(500, {}, "HTTP status 500"), (404, {}, "HTTP status 404"), (302, {"Location": "/"}, "302")],
)
async def test_a_webhook_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, headers: Any, said: str
):
    async with serving() as (service, url):
        service.says("no", status, **headers)
        monkeypatch.setenv("TEAM_HOOK", f"{url}/s3cret")
        (note,) = await told(ways(HOOK), tmp_path)
        assert note == f"the webhook of TEAM_HOOK was not told: HTTP status {status}"
        assert said in note
        assert len(service.bodies) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/s3cret", "ftp://x/s3cret", "s3cret", "http://[s3cret"]
)
async def test_an_address_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("TEAM_HOOK", url)
    (note,) = await told(ways(HOOK), tmp_path)
    assert "was not told" in note
    assert "s3cret" not in note


def program(workspace: Path, text: str) -> Notify:
    file = workspace / "tell.sh"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return Notify(command="./tell.sh 'a b'")


async def test_a_command(tmp_path: Path):
    way = program(tmp_path, 'cat > got.json; echo "$1" > words')
    assert await told([way], tmp_path) == []
    assert json.loads((tmp_path / "got.json").read_text())["text"] == MESSAGE.text
    assert (tmp_path / "words").read_text() == "a b\n"


async def test_a_command_that_fails_hangs_or_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (note,) = await told([program(tmp_path, "echo no room >&2; exit 3")], tmp_path)
    assert note == "the command \"./tell.sh 'a b'\" was not told: exit code 3 no room"
    monkeypatch.setattr("promptlathe.notify.SECONDS", 0.3)
    (note,) = await told([program(tmp_path, "exec sleep 20")], tmp_path)
    assert "was ended after" in note
    assert await told([program(tmp_path, "exit 0")], tmp_path) == []
    (tmp_path / "tell.sh").unlink()
    (note,) = await told(ways({"command": "./tell.sh"}), tmp_path)
    assert "is no program" in note


@asynccontextmanager
async def mail_server(mails: list[bytes], refuse: bool = False) -> AsyncGenerator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                writer.write(b"354 go\r\n")
                mails.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 kept\r\n")
            elif word == b"RCPT" and refuse:
                writer.write(b"550 nobody of that name\r\n")
            elif word == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 fine\r\n")
            await writer.drain()
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mails: list[bytes] = []
    way = ways({"email": {"to": "team@example.com", "smtp_env": "MAIL"}})
    async with mail_server(mails) as port:
        monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{port}")
        assert await told(way, tmp_path) == []
    mail = email.message_from_bytes(mails[0])
    assert (mail["To"], mail["Subject"]) == ("team@example.com", "promptlathe: triage: promoted")
    text, data = (part.get_payload(decode=True) for part in mail.get_payload())  # type: ignore[union-attr]
    assert isinstance(text, bytes)
    assert isinstance(data, bytes)
    assert text.decode().strip() == MESSAGE.text
    assert json.loads(data)["data"] == {"gain": 0.12}
    async with mail_server([], refuse=True) as port:
        monkeypatch.setenv("MAIL", f"smtp://127.0.0.1:{port}")
        (note,) = await told(way, tmp_path)
    assert "team@example.com was not told" in note
    monkeypatch.setenv("MAIL", "smtp://user:s3cret@127.0.0.1:9")
    (note,) = await told(way, tmp_path)
    assert "s3cret" not in note


async def test_only_what_one_wants_to_know(tmp_path: Path):
    way = program(tmp_path, "cat >> got.json; echo >> got.json")
    for moment in ("promoted", "drift", "failed", "finished"):
        await told([way], tmp_path, Message(moment, "triage", moment, {}))
    lines = (tmp_path / "got.json").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["promoted", "drift", "failed"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "one of webhook, command and email"),
        (HOOK | {"command": "x"}, "one of webhook, command and email"),
        ({"webhook": {"url": "http://x"}}, "url_env"),
        ({"webhook": {"url_env": "http://x"}}, "pattern|url_env"),
        ({"command": "./gone.sh"}, "is no program"),
        ({"command": "'"}, "is no command"),
        ({"command": " "}, "empty command"),
        (HOOK, "the variable TEAM_HOOK, which `notify` names, is not set"),
    ],
)
def test_bad_input(
    workspace: Path, given: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("TEAM_HOOK", raising=False)
    file = run_file(workspace, "http://127.0.0.1:9/v1", notify=[given])
    with pytest.raises(InputError, match=said) as raised:
        check(Job.load(file))
    assert raised.value.where
    assert str(file) in raised.value.where


def test_a_variable_that_is_not_set_is_told_before_anything_is_paid(tmp_path: Path):
    with pytest.raises(InputError, match="NOBODY_SET_THIS"):
        check_ways(ways({"webhook": {"url_env": "NOBODY_SET_THIS"}}), tmp_path, "run.yaml:3")


@pytest.mark.slow
async def test_a_run_tells_its_end_and_a_failure(workspace: Path):
    program(workspace, "cat >> got.json; echo >> got.json")
    way = {"command": "./tell.sh", "on": ["promoted", "failed", "finished"]}
    broken = {"command": "false", "on": ["finished", "failed"]}
    async with serving() as (service, url):
        served(service)
        file = run_file(workspace, url, notify=[way, broken])
        said = await asyncio.to_thread(CliRunner().invoke, main, ["run", str(file), "--quiet"])
        assert said.exit_code == 0, said.output
        assert "note: the command 'false' was not told: exit code 1" in said.output
        gone = run_file(workspace, "http://127.0.0.1:9/v1", notify=[way])
        failed = await asyncio.to_thread(CliRunner().invoke, main, ["run", str(gone), "--quiet"])
        assert failed.exit_code == 5
        gone.write_text(gone.read_text().replace('"calls": 300', '"calls": 3'))
        bad = await asyncio.to_thread(CliRunner().invoke, main, ["run", str(gone), "--quiet"])
        assert bad.exit_code == 4
    messages = [json.loads(line) for line in (workspace / "got.json").read_text().splitlines()]
    assert [one["moment"] for one in messages] == ["finished", "failed", "failed"]
    assert messages[0]["text"].startswith("teams: No significant gain")
    assert messages[0]["data"]["verdict"] == "no significant gain"
    assert "model m" in messages[1]["text"]


@pytest.mark.parametrize(("to", "fits"), [("a@b.c", True), (["a@b.c", "d@e.f"], True), (3, False)])
def test_an_editor_takes_one_address_and_several(to: object, fits: bool):
    schema = json.loads((Path(__file__).parent.parent / "runs/schema.json").read_text("utf-8"))
    file = {"space": {"a": 1}, "objective": {"a": 1}, "model": "m"}
    given = file | {"notify": [{"email": {"to": to, "smtp_env": "MAIL"}}]}
    assert Draft202012Validator(schema).is_valid(given) == fits
