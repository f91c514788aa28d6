"""OpenAI's Batch API: calls as lines of a file, and their replies as lines of others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from promptlathe.documents import hiding
from promptlathe.models.failures import failure_from, reason_of_status, short
from promptlathe.models.settings import ModelSettings
from promptlathe.models.wire import wire_of
from promptlathe.records import Answer, Call, Failure, FailureReason

MOST_LINES, MOST_BYTES = 50_000, 190_000_000
"""Of one batch: OpenAI takes 50,000 lines, and 200 MB."""
ENDED = ("completed", "failed", "expired", "cancelled")
MARK = "promptlathe"
"""The key of a batch's metadata by which it is found again."""
_SECONDS = 60.0
"""Of one request about batches; a file takes longer."""
_FILE_SECONDS = 600.0
_LISTED = 100
"""Of the latest batches, those that are looked at for one that was made, and not heard of."""
_BY_CODE: Mapping[str, FailureReason] = {
    "batch_expired": "timeout",
    "batch_cancelled": "server_error",
    "token_limit_exceeded": "rate_limited",
    "billing_hard_limit_reached": "quota",
}


@dataclass(frozen=True)
class Look:
    """How a batch stands."""

    id: str
    status: str
    done: int = 0
    """Lines that were answered or failed."""
    output: str | None = None
    errors: str | None = None
    """Ids of the files with the replies."""
    why: Failure | None = None
    """Of a batch that was refused as a whole."""

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class BatchService:
    """The batches of one model at its service, in one event loop. Methods raise `Refused`."""

    def __init__(self, settings: ModelSettings, key: SecretStr) -> None:
        from openai import AsyncOpenAI

        secret = key.get_secret_value()
        self._hide = hiding(secret)
        self._dialect = settings.spoken
        self._wire = wire_of(settings.api)
        self._client = AsyncOpenAI(
            api_key=secret, base_url=settings.endpoint, max_retries=2, timeout=_SECONDS
        )

    def line(self, call: Call, name: str) -> bytes:
        """A call in the file that is sent."""
        body = self._wire.body(call, self._dialect)
        line = {"custom_id": name, "method": "POST", "url": self._path, "body": body}
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    async def send(self, lines: bytes, mark: str) -> Look:
        """Upload the lines, and begin their batch."""
        try:
            file = await self._client.files.create(
                file=(f"{MARK}-{mark}.jsonl", lines), purpose="batch", timeout=_FILE_SECONDS
            )
        except Exception as error:  # noqa: BLE001 - `_refused` raises what it does not know
            raise self._refused(error, nothing_sent=True) from None
        endpoint: Any = self._path
        try:
            # Tried once: whoever hears nothing of it looks for the mark before the next attempt.
            made = await self._client.with_options(max_retries=0).batches.create(
                input_file_id=file.id,
                endpoint=endpoint,
                completion_window="24h",
                metadata={MARK: mark},
            )
        except Exception as error:  # noqa: BLE001
            raise self._refused(error) from None
        return _look(made)

    async def find(self, mark: str) -> Look | None:
        """The batch with this mark, among the latest."""
        try:
            page = await self._client.batches.list(limit=_LISTED)
        except Exception as error:  # noqa: BLE001
            raise self._refused(error) from None
        found = (one for one in page.data if (one.metadata or {}).get(MARK) == mark)
        return next(map(_look, found), None)

    async def look(self, id: str) -> Look:
        """How it stands."""
        try:
            return _look(await self._client.batches.retrieve(id))
        except Exception as error:  # noqa: BLE001
            raise self._refused(error) from None

    async def cancel(self, id: str) -> None:
        """What has not begun is not begun; what was answered can be read."""
        try:
            await self._client.batches.cancel(id)
        except Exception as error:  # noqa: BLE001
            raise self._refused(error) from None

    async def replies(self, look: Look, seconds: float) -> dict[str, Answer | Failure]:
        """By the names of the lines. seconds: since it was sent, for the latency."""
        found: dict[str, Answer | Failure] = {}
        for id in (look.output, look.errors):
            if id is None:
                continue
            try:
                content = await self._client.files.content(id, timeout=_FILE_SECONDS)
            except Exception as error:  # noqa: BLE001
                raise self._refused(error) from None
            found |= dict(self._read(content.content.splitlines(), seconds))
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    @property
    def _path(self) -> str:
        return f"/v1{self._wire.path}"

    def _read(
        self, lines: Iterable[bytes], seconds: float
    ) -> Iterator[tuple[str, Answer | Failure]]:
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                continue  # a call without a reply has none
            match told:
                case {"custom_id": str(name), "error": {**error}} if error:
                    yield name, self._failed(error)
                case {
                    "custom_id": str(name),
                    "response": {"status_code": int(status), "body": body},
                }:
                    yield name, self._reply(status, body, seconds)
                case _:
                    pass

    def _reply(self, status: int, body: Any, seconds: float) -> Answer | Failure:
        if status < 300:
            return self._wire.read(json.dumps(body).encode(), seconds, {}, hide=self._hide)
        error = body.get("error", body) if isinstance(body, dict) else {"message": body}
        given: dict[str, Any] = error if isinstance(error, dict) else {"message": error}
        said = " ".join(str(given[one]) for one in ("code", "type", "message") if given.get(one))
        reason = reason_of_status(status, said)
        return Failure(reason, short(self._hide(str(given.get("message") or said))))

    def _failed(self, error: Mapping[str, Any]) -> Failure:
        reason = _BY_CODE.get(str(error.get("code")), "server_error")
        return Failure(reason, short(self._hide(str(error.get("message") or error.get("code")))))

    def _refused(self, error: Exception, *, nothing_sent: bool = False) -> Refused:
        failure = failure_from(error, hide=self._hide)
        return Refused(failure if not nothing_sent else unbilled(failure))


class Refused(Exception):
    """A request about a batch failed. `failure.billed`: it may have been carried out."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def unbilled(failure: Failure) -> Failure:
    """The same, when no call was made."""
    return Failure(failure.reason, failure.detail, 0, failure.retry_after)


def _look(batch: Any) -> Look:
    counts = batch.request_counts
    errors = (batch.errors and batch.errors.data) or ()
    why = None
    if batch.status == "failed":
        first = errors[0] if errors else None
        code = str(first and first.code)
        said = (first and first.message) or "the service refused the batch"
        why = Failure(_BY_CODE.get(code, "bad_request"), short(str(said)))
    return Look(
        batch.id,
        batch.status,
        counts.completed + counts.failed if counts else 0,
        batch.output_file_id,
        batch.error_file_id,
        why,
    )
