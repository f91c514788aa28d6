"""A judge that is asked in a chat: a structured verdict, or a text where none is to be had."""

from __future__ import annotations

from typing import Any

from promptlathe.records import Answer, Content, Message, Request
from promptlathe.runtime.seam import CallFailed, Context
from promptlathe.scoring.judging.form import Form
from promptlathe.scoring.judging.scale import Scale
from promptlathe.scoring.judging.verdict import Verdict
from promptlathe.scoring.parsing import JsonField, parser
from promptlathe.scoring.reading.labels import LabelReader
from promptlathe.scoring.reading.reasoning import visible

_ABOUT_FORMAT = ("response_format", "json_schema", "schema", "structured", "guided", "grammar")
"""What a refusal speaks of that is about the form of the answer."""


class Chat:
    """Asks in one language, and reads what is answered."""

    def __init__(self, form: Form) -> None:
        self._system = Message("system", form.instructions)
        self._format = verdict_format(form.scale)
        self._read = Reader(form.scale)
        self._plain = False
        """The service takes no `response_format`."""

    async def ask(
        self, material: Content, ctx: Context, *, step: str, repeat: int
    ) -> Verdict | None:
        """The verdict on what is shown; None when it cannot be read. Raises `UnitEnded`."""
        messages = (self._system, Message("user", material))
        return self._read((await self._answer(messages, ctx, step, repeat)).text)

    async def _answer(
        self, messages: tuple[Message, ...], ctx: Context, step: str, repeat: int
    ) -> Answer:
        if not self._plain:
            structured = Request(messages, (("response_format", self._format),), repeat)
            try:
                return await ctx.call(structured, role="judge", step=step)
            except CallFailed as ended:
                failure, said = ended.failure, ended.failure.detail.lower()
                about = any(sign in said for sign in _ABOUT_FORMAT)
                if failure.reason != "bad_request" or not about:
                    raise
            self._plain = True
        return await ctx.call(Request(messages, repeat=repeat), role="judge", step=step)


class Reader:
    """Reads a verdict, whether or not the service knows schemas."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._label = LabelReader(scale.labels)
        self._level = parser(JsonField(json="level"), list[str])
        self._rationale = parser(JsonField(json="rationale"), list[str])

    def __call__(self, text: str) -> Verdict | None:
        """Of the JSON object, else the level that the last line names."""
        level = self._level(text)
        if level is not None:
            said = self._rationale(text)
            label, rationale = self._label(str(level)), None if said is None else str(said)
        else:
            *before, last = (visible(text) or "").strip().splitlines() or [""]
            label, rationale = self._label(last), "\n".join(before).strip() or None
        return None if label is None else Verdict(self._scale.value(label), label, rationale)


def verdict_format(scale: Scale) -> dict[str, Any]:
    """The verdict's JSON schema: the reason is written before the level."""
    properties = {
        "rationale": {"type": "string"},
        "level": {"type": "string", "enum": list(scale.labels)},
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": schema},
    }
