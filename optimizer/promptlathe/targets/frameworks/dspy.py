"""DSPy: modules. Imported when an object of it is given.

A prompt of the space is a predictor: its instructions, its demos, and the fields that DSPy writes
below them. What is sent is made by DSPy's own adapter.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import dspy
from dspy.clients.base_lm import BaseLM

from promptlathe.errors import InputError
from promptlathe.records import Answer, Json, Message
from promptlathe.targets.frameworks.dialects import LITERAL
from promptlathe.targets.frameworks.target import Asking, Call, sendable
from promptlathe.targets.frameworks.texts import (
    Found,
    FoundDemos,
    FoundText,
    Place,
    demos_of,
    demos_text,
    named,
    numbered,
)
from promptlathe.targets.frameworks.wire import completion_of, form_of, message_of

ADDED = "reasoning"
"""The field that `ChainOfThought` adds."""
INSTRUCTIONS, DEMOS = 0, 1
"""Which of a predictor's texts."""
NOT_SENT = ("api_key", "api_base", "base_url", "api_version", "model_type", "headers", "cache")
"""Of an LM's own parameters: its service is promptlathe's `model`."""


class DSPy:
    """The adapter."""

    def found(self, given: Any) -> Found:
        found = {name: _texts(one) for name, one in _predictors(given).items()}
        if not found:
            raise InputError(
                f"no predictor was found in this {type(given).__name__}",
                "from_dspy",
                "give a dspy.Module that holds a dspy.Predict",
            )
        return found

    def made(self, given: Any, texts: Mapping[Place, str], asking: Asking | None) -> Any:
        made = given.deepcopy()
        for name, predictor in _predictors(made).items():
            signature: Any = predictor.signature
            if (new := texts.get((name, INSTRUCTIONS))) is not None:
                predictor.signature = signature.with_instructions(new)
            if (new := texts.get((name, DEMOS))) is not None:
                inputs = signature.input_fields
                predictor.demos = [
                    dspy.Example(**record).with_inputs(*(n for n in record if n in inputs))
                    for record in demos_of(new)
                ]
            if asking:
                predictor.lm = StandIn(predictor.lm or dspy.settings.lm, asking, name)
        return made

    def check_use(self, given: Any) -> None:
        """A module gets the fields of the row that it takes."""

    def usual(self, given: Any, asking: Asking) -> Call:
        if hasattr(given, "forward"):
            return lambda made, row: made(**_inputs(made, made.forward, row))

        async def acall(made: Any, row: dict[str, Any]) -> Any:
            return await made.acall(**_inputs(made, made.aforward, row))

        return acall

    def output(self, given: Any) -> Any:
        if not isinstance(given, dspy.Prediction):
            return given
        fields = {name: one for name, one in given.toDict().items() if name != ADDED}
        return next(iter(fields.values())) if len(fields) == 1 else fields


ADAPTER = DSPy()


def _predictors(given: Any) -> dict[str, dspy.Predict]:
    """By a name that a prompt can have; one that is alone in its module is `predict`."""
    found: dict[str, dspy.Predict] = {}
    for path, predictor in given.named_predictors() if isinstance(given, dspy.Module) else ():
        path = path.removesuffix(".predict") if path != "self" else "predict"
        wanted = re.sub(r"\W+", "_", path, flags=re.ASCII).strip("_")
        found[next(one for one in numbered(wanted) if one not in found)] = predictor
    return found


def _texts(predictor: dspy.Predict) -> tuple[FoundText, ...]:
    signature: Any = predictor.signature
    outputs = [name for name in signature.output_fields if name != ADDED]
    fields = (*signature.input_fields, *outputs)
    records = [dict(demo.items()) for demo in predictor.demos]
    shown = "\n".join(f"{{{{ {name} }}}}" for name in signature.input_fields)
    return named(
        [
            FoundText("instructions", "system", signature.instructions, LITERAL),
            FoundDemos("demos", "user", demos_text(records), LITERAL, fields=fields),
            FoundText("fields", "user", shown),
        ]
    )


def _inputs(module: Any, forward: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row that the module takes."""
    parameters = inspect.signature(forward).parameters.values()
    names = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
    if len(names) < len(parameters):
        first, *_ = _predictors(module).values()
        signature: Any = first.signature
        names += list(signature.input_fields)
    return {name: row[name] for name in names if name in row}


class StandIn(BaseLM):
    """Asks through promptlathe where an LM stood; it can what that could.

    DSPy 3.5 will want an engine here: its requests, other than these messages, cannot be written
    as OpenAI-compatible services take them by what is public in 3.4.
    """

    def __init__(self, lm: Any, asking: Asking, prompt: str) -> None:
        given = getattr(lm, "kwargs", None) or {}
        own = {name: one for name, one in given.items() if name not in NOT_SENT}
        super().__init__(model=str(getattr(lm, "model", "promptlathe")), cache=False)
        self.kwargs = {name: one for name, one in own.items() if one is not None}
        self._asking, self._prompt, self._lm = asking, prompt, lm

    def __deepcopy__(self, memo: Any) -> StandIn:
        return self

    @property
    def supports_function_calling(self) -> bool:
        return bool(getattr(self._lm, "supports_function_calling", False))

    @property
    def supports_reasoning(self) -> bool:
        return bool(getattr(self._lm, "supports_reasoning", False))

    @property
    def supports_response_schema(self) -> bool:
        return bool(getattr(self._lm, "supports_response_schema", False))

    @property
    def supported_params(self) -> set[str]:
        return set(getattr(self._lm, "supported_params", ()))

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        sent, many = self._parameters(kwargs)
        asked = _messages(prompt, messages)
        answers = [self._asking.wait(asked, sent, self._prompt) for _ in range(many)]
        return _response(self.model, answers)

    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        sent, many = self._parameters(kwargs)
        asked = _messages(prompt, messages)
        answers = [await self._asking.ask(asked, sent, self._prompt) for _ in range(many)]
        return _response(self.model, answers)

    def _parameters(self, kwargs: Mapping[str, Any]) -> tuple[dict[str, Json], int]:
        given = {**self.kwargs, **kwargs}
        many = given.pop("n", None) or given.pop("num_generations", None) or 1
        given.pop("rollout_id", None)  # another answer: who asks again gets one
        form = given.get("response_format")
        if isinstance(form, type):
            given["response_format"] = form_of(form)
        return sendable(given, "the module"), int(many)


def _messages(prompt: Any, messages: Any) -> list[Message]:
    if not messages:
        return [Message("user", str(prompt))]
    return [message_of(one) for one in messages]


def _response(model: str, answers: list[Answer]) -> Any:
    """As OpenAI's client gives it."""
    from openai.types.chat import ChatCompletion

    return ChatCompletion.model_validate(completion_of(model, answers))
