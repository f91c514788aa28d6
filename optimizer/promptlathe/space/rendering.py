"""From a prompt and a row to what is sent."""

from collections.abc import Mapping
from typing import Any

from promptlathe.records import Message, Prompt, Request
from promptlathe.space.fills import filled, rules_of
from promptlathe.space.template import placeholders, rendered


def request_of(prompt: Prompt, row: Mapping[str, Any], *, repeat: int = 0) -> Request:
    """What is asked of a model for one row: its fields in their placeholders, and what the prompt's
    rules make of it.

    Raises InputError as `rendered` does, and for a row or a pool that a rule cannot use.
    """
    made = filled(prompt, row) if prompt.fills else {}
    values = {**row, **{name: one.text for name, one in made.items()}} if made else row
    turns = {name: one.turns for name, one in made.items()}
    messages = rendered(prompt.messages, values, turns)
    shown = tuple(passage for one in made.values() for passage in one.passages)
    return Request(messages, prompt.parameters, repeat, shown)


def render(prompt: Prompt, row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages alone."""
    return request_of(prompt, row).messages


def fields_of(prompt: Prompt) -> set[str]:
    """The fields that a row needs: those of its placeholders, and of its rules."""
    rules = rules_of(prompt)
    named = {n for m in prompt.messages for n in placeholders(m.text)} - rules.keys()
    return named.union(*(rule.takes for rule in rules.values()))
