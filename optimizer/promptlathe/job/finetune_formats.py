"""Answers as data for fine-tuning, in the forms that trainers document.

trl-sft       prompt-completion, conversational: {prompt, completion}; SFTTrainer
trl-unpaired  unpaired preference, conversational: {prompt, completion, label}; KTOTrainer
trl-dpo       preference, explicit prompt, conversational: {prompt, chosen, rejected}; DPOTrainer
openai-chat   {messages}, with `tools` where there are some; OpenAI's supervised fine-tuning

TRL: huggingface.co/docs/trl/dataset_formats. OpenAI: the guide to supervised fine-tuning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from promptlathe.records import Answer, Message, content_hash

Form = Literal["trl-sft", "trl-unpaired", "trl-dpo", "openai-chat"]
FORMS: tuple[Form, ...] = get_args(Form)
Line = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """What a model was asked for one row, and what it answered."""

    example: str
    messages: tuple[Message, ...]
    answer: Answer
    value: float
    """The goal's."""
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def prompt(self) -> list[dict[str, Any]]:
        return [message.to_dict() for message in self.messages]

    @property
    def completion(self) -> dict[str, Any]:
        """The assistant's turn."""
        calls = [dict(one) for one in self.answer.tool_calls]
        if calls:
            return {"role": "assistant", "content": self.answer.text or None, "tool_calls": calls}
        return {"role": "assistant", "content": self.answer.text}

    @property
    def with_tools(self) -> Line:
        return {"tools": [dict(one) for one in self.tools]} if self.tools else {}


def lines(form: Form, own: Sequence[Pair], others: Sequence[Pair], least: float) -> Iterator[Line]:
    """The data's lines.

    own: answers to the prompt that is exported. others: those to other prompts, of the same rows:
    what was worse there is what DPO is told to avoid. least: the value of a good answer.
    """
    if form == "trl-dpo":
        return _preferences(own, others, least)
    made: Mapping[str, Callable[[Pair], Line]] = {
        "trl-sft": lambda one: {"prompt": one.prompt, "completion": [one.completion]},
        "openai-chat": lambda one: {"messages": [*one.prompt, one.completion]},
        "trl-unpaired": lambda one: {
            "prompt": one.prompt,
            "completion": [one.completion],
            "label": one.value >= least,
        },
    }
    wanted = own if form == "trl-unpaired" else [one for one in own if one.value >= least]
    return ({**made[form](one), **one.with_tools} for one in wanted)


def _preferences(own: Sequence[Pair], others: Sequence[Pair], least: float) -> Iterator[Line]:
    """Of each row the best answer, the prompt's own before another's, with each that is worse.

    The prompt shown is always the exported one, whichever prompt an answer was given to.
    """
    asked = {one.example: one for one in own}
    for example, shown in asked.items():
        known = [one for one in (*own, *others) if one.example == example]
        best = max(known, key=lambda one: one.value)
        if best.value < least:
            continue
        for worse in unlike(one for one in known if one.value < best.value):
            yield {
                "prompt": shown.prompt,
                "chosen": [best.completion],
                "rejected": [worse.completion],
                **shown.with_tools,
            }


def unlike(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Of answers that are equal to a row, the first."""
    seen: set[str] = set()
    for one in pairs:
        key = content_hash([one.example, one.completion])
        if key not in seen:
            seen.add(key)
            yield one
