"""The objective: the scorer that fits the form of the answers, and the splits."""

from __future__ import annotations

from typing import Any

from promptlathe.drafting.answers import Answers

SHARES = {"train": 0.2, "select": 0.4, "test": 0.4}
MOST = 1_000
"""Rows of a split: more cost more than they tell."""


def objective_parts(answers: Answers, target: str, rows: int) -> list[tuple[str, Any, str]]:
    """(key, value, why) of an objective's file."""
    scorer, why = _scorer(answers, target)
    splits: dict[str, Any] = {
        name: min(share, round(MOST / rows, 6)) for name, share in SHARES.items()
    }
    if answers.labelled:
        splits["stratify"] = target
    (name,) = scorer
    return [
        ("dataset", "rows.jsonl", "your rows, with plain names for columns; edit or replace them"),
        (
            "splits",
            splits,
            "train: demos and what operators read; select: the search; test: the verdict, once",
        ),
        ("scorers", [scorer], why),
        ("goal", f"maximize {name}", "the mean over rows, from 0 to 1"),
    ]


def _scorer(answers: Answers, target: str) -> tuple[dict[str, Any], str]:
    match answers.kind:
        case "label" | "yes_no":
            return (
                {"exact_match": {"target": target, "parse": "label"}},
                "right answers are labels: the one that the answer settles on must be it",
            )
        case "number":
            given: dict[str, Any] = {"target": target}
            if answers.decimals:
                given["rel_tol"] = 0.01
            near = ", within 1 %" if answers.decimals else ""
            return (
                {"numeric": given},
                f"right answers are numbers: the one that the answer settles on must be it{near}",
            )
        case "json":
            return (
                {"json_match": {"target": target}},
                "right answers are JSON objects: the share of their fields that agree",
            )
        case "list":
            return (
                {"token_f1": {"target": target}},
                "right answers are lists: F1 of their words, since order and form may differ",
            )
        case "short":
            return (
                {"token_f1": {"target": target}},
                "right answers are short texts: F1 of their words, so that half an answer counts "
                "half",
            )
        case "text":
            return (
                {"similarity": {"target": target}},
                "right answers are free texts: nearness of the wording, which costs nothing; what "
                "an answer means only a judge can tell: `judge: {name: …, rubric: …, levels: […]}`",
            )
