"""The Decisions API of the scripted server: checks the questions, and dresses what a script says.

A script answers with a JSON object by the questions' names:

    {"polite": 0.9}                          a predicate: how likely it is
    {"tone": {"no": 0.1, "yes": 0.9}}        a score or a choice: probabilities of its labels
    {"harmful": null}                        the model declines
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 400
"""Questions of a request."""


def decision(
    body: Mapping[str, Any], said: str, usage: Mapping[str, int]
) -> tuple[dict[str, Any], int]:
    """(the response, its status)."""
    questions: Sequence[Mapping[str, Any]] = body.get("questions") or ()
    wrong = _wrong(body, questions)
    if wrong:
        return {"error": {"message": wrong, "type": "invalid_request_error", "code": None}}, 400
    answers = json.loads(said)
    return {
        "model": body["model"],
        "answers": [_answer(one, answers[one["name"]]) for one in questions],
        "usage": {
            "input_tokens": usage.get("prompt_tokens", 0),
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage.get("completion_tokens", 0),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.get("total_tokens", 0),
        },
    }, 200


def _wrong(body: Mapping[str, Any], questions: Sequence[Mapping[str, Any]]) -> str | None:
    """What the API refuses, by the types of openai 3.52."""
    if unknown := body.keys() - {"model", "input", "questions", "prompt_cache_key"}:
        return f"unknown parameter: {min(unknown)}"
    if not 1 <= len(questions) <= MOST:
        return f"ask 1 to {MOST} questions"
    for one in questions:
        needs = {"predicate": set[str](), "score": {"levels"}, "choice": {"choices"}}
        if not {"instructions", *needs.get(one.get("type", ""), {"a known type"})} <= one.keys():
            return f"a question lacks something: {one}"
    return None


def _answer(question: Mapping[str, Any], said: Any) -> dict[str, Any]:
    name, kind = question.get("name"), question["type"]
    if said is None:
        return {"type": "refusal", "name": name}
    if kind == "predicate":
        return {"type": kind, "name": name, "probability": said}
    best = max(said, key=lambda one: said[one])
    head = {"type": kind, "name": name, "confidence": said[best]}
    if kind == "choice":
        given = [{"value": value, "probability": p} for value, p in said.items()]
        return {**head, "choice": best, "probabilities": given}
    labels = [level["label"] for level in question["levels"]]
    given = [
        {"label": one, "probability": said.get(one, 0.0), "value": i}
        for i, one in enumerate(labels)
    ]
    score = sum(one["probability"] * one["value"] for one in given)
    return {**head, "score": score, "probabilities": given}
