"""Telling people or programs what became of a job: webhooks, commands, email.

A message is one line of text for people, and the same as data. Whatever goes wrong with it is
returned as a note, after SECONDS at most: it never ends a job.
"""

import json
import os
import shlex
import smtplib
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal, Self
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import Field, field_validator, model_validator

from promptlathe import documents
from promptlathe.errors import InputError

SECONDS = 20.0
"""That a message may take at most."""
Moment = Literal["promoted", "proposed", "drift", "retiring", "failed", "finished"]
PLACE = r"^[A-Za-z_][A-Za-z0-9_]*$"


class Webhook(documents.Model):
    """A POST of the message as JSON; its `text` is what Slack, Mattermost and Discord show."""

    url_env: str = Field(pattern=PLACE, description="The variable that has the address")


class Email(documents.Model):
    """A mail by an SMTP server."""

    to: tuple[str, ...] = Field(min_length=1, description="Addresses")
    smtp_env: str = Field(
        pattern=PLACE,
        description="The variable that has the server: smtp://USER:PASSWORD@HOST:587, or smtps://",
    )
    sender: str = Field(default="promptlathe@localhost", description="Address of the sender")

    @field_validator("to", mode="before", json_schema_input_type=str | tuple[str, ...])
    @classmethod
    def _several(cls, to: object) -> object:
        return (to,) if isinstance(to, str) else to


class Notify(documents.Model):
    """One way to tell; exactly one of webhook, command and email."""

    webhook: Webhook | None = None
    command: str | None = Field(
        default=None, description="A program that gets the message as JSON on standard input"
    )
    email: Email | None = None
    on: tuple[Moment, ...] = Field(
        default=("promoted", "proposed", "drift", "retiring", "failed"),
        description="When: promoted, proposed, drift (the first look that sees it), retiring (the "
        "first look within `retire.warn_days`), failed, or finished",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [one for one in (self.webhook, self.command, self.email) if one is not None]
        if len(given) != 1:
            raise ValueError(
                "one of webhook, command and email is needed", "write an entry for each way to tell"
            )
        return self


@dataclass(frozen=True)
class Message:
    """What happened, in a line, and as data."""

    moment: Moment
    job: str
    text: str
    data: Mapping[str, Any]
    """Of a result or a look, as `--json` has it; of a failure the error."""


def check_ways(ways: Sequence[Notify], workspace: Path, place: str | None) -> None:
    """Raises InputError for a variable that is not set, and a program that is not there."""
    for way in ways:
        for variable in _variables(way):
            if not os.environ.get(variable):
                raise InputError(
                    f"the variable {variable}, which `notify` names, is not set",
                    place,
                    f"export {variable}=…, or take the entry out",
                )
        if way.command is not None:
            _words(way.command, workspace, place)


def tell(ways: Sequence[Notify], message: Message, workspace: Path) -> list[str]:
    """Tell it in all ways that want to know of the moment; what went wrong, in lines."""
    notes: list[str] = []
    for way in ways:
        if message.moment not in way.on:
            continue
        try:
            _tell(way, message, workspace)
        except (OSError, HTTPException, smtplib.SMTPException, ValueError, InputError) as error:
            notes.append(f"{_named(way)} was not told: {_said(error, way)}")
        except subprocess.TimeoutExpired:
            notes.append(f"{_named(way)} was ended after {SECONDS:.0f} seconds")
    return notes


def _tell(way: Notify, message: Message, workspace: Path) -> None:
    if way.webhook:
        _post(os.environ.get(way.webhook.url_env, ""), message)
    elif way.email:
        _mail(way.email, message)
    else:
        assert way.command is not None
        done = subprocess.run(
            _words(way.command, workspace, None),
            input=_json(message),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            cwd=workspace,
            timeout=SECONDS,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            raise ValueError(f"exit code {done.returncode} {last}".strip())


class _NoRedirects(HTTPRedirectHandler):
    """A POST that is sent elsewhere would arrive as an empty GET."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(url: str, message: Message) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("its variable has no http:// or https:// address")
    request = Request(url, _json(message).encode(), {"Content-Type": "application/json"})
    with build_opener(_NoRedirects).open(request, timeout=SECONDS):
        pass


def _mail(email: Email, message: Message) -> None:
    server = urlsplit(os.environ.get(email.smtp_env, ""))
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise ValueError("its variable has no smtp:// or smtps:// address")
    mail = EmailMessage()
    mail["From"], mail["To"] = email.sender, ", ".join(email.to)
    mail["Subject"] = f"promptlathe: {message.job}: {message.moment}"
    mail.set_content(f"{message.text}\n")
    mail.add_attachment(_json(message), filename="message.json", subtype="json")
    secure = ssl.create_default_context()
    if server.scheme == "smtps":
        smtp = smtplib.SMTP_SSL(
            server.hostname, server.port or 465, timeout=SECONDS, context=secure
        )
    else:
        smtp = smtplib.SMTP(server.hostname, server.port or 587, timeout=SECONDS)
    with smtp:
        smtp.ehlo_or_helo_if_needed()
        if server.scheme == "smtp" and smtp.has_extn("starttls"):
            smtp.starttls(context=secure)
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(mail)


def _json(message: Message) -> str:
    return json.dumps(asdict(message), ensure_ascii=False, default=str)


def _words(command: str, workspace: Path, place: str | None) -> list[str]:
    """The program and its arguments; one with a path is looked for from the workspace."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(f"{command!r} is no command: {error}", place, "close its quotes") from None
    if not words:
        raise InputError("`notify` names an empty command", place, "name a program")
    if os.sep in words[0]:
        file = workspace / words[0]
        if not os.access(file, os.X_OK) or file.is_dir():
            raise InputError(
                f"{words[0]}, which `notify` names, is no program",
                place,
                f"make it executable: chmod +x {file}",
            )
        words[0] = str(file)
    return words


def _variables(way: Notify) -> Iterator[str]:
    if way.webhook:
        yield way.webhook.url_env
    if way.email:
        yield way.email.smtp_env


def _named(way: Notify) -> str:
    if way.webhook:
        return f"the webhook of {way.webhook.url_env}"
    return f"{', '.join(way.email.to)}" if way.email else f"the command {way.command!r}"


def _said(error: Exception, way: Notify) -> str:
    """Without the address: it may be a secret."""
    if isinstance(error, HTTPError):
        return f"HTTP status {error.code}"
    said = str(error.reason if isinstance(error, URLError) else error) or type(error).__name__
    for variable in _variables(way):
        said = documents.hiding(os.environ.get(variable, ""))(said)
    return said.splitlines()[0]
