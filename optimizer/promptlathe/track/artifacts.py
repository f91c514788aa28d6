"""Texts that are kept with a run: prompts, their difference, the table of held-out rows."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from promptlathe.records import Answer, Outcome, Prompt
from promptlathe.track.records import Side


def prompt_json(prompt: Prompt) -> str:
    """Messages and model parameters, for programs."""
    content = {
        "id": prompt.id,
        "messages": [message.to_dict() for message in prompt.messages],
        "parameters": dict(prompt.parameters),
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def prompt_text(prompt: Prompt) -> str:
    """Messages and model parameters, for people."""
    parts = [f"[{message.role}]\n{message.content}" for message in prompt.messages]
    if prompt.parameters:
        parts.append("[parameters]\n" + "\n".join(f"{k} = {v}" for k, v in prompt.parameters))
    return "\n\n".join(parts) + "\n"


def prompt_diff(seed: Prompt, best: Prompt) -> str:
    """Unified diff of the two texts; empty when they are equal."""
    lines = difflib.unified_diff(
        prompt_text(seed).splitlines(),
        prompt_text(best).splitlines(),
        "seed",
        "best",
        n=100,
        lineterm="",
    )
    return "\n".join(lines)


def answer_of(outcome: Outcome) -> str:
    """The raw answer, or why there is none."""
    match outcome.reply:
        case Answer(text=text):
            return text
        case failure:
            return f"({failure.reason}: {failure.detail})"


def examples_table(sides: Mapping[Side, list[Outcome]], target: str | None) -> dict[str, list[Any]]:
    """Held-out rows side by side, one line an example and repeat, in MLflow's table form.

    `{"columns": […], "data": [[…], …]}`, the shape of `MlflowClient.log_table`. Lines in which
    the sides differ most come first.
    """
    outcomes = {
        side: {(o.cell.example.id, o.cell.repeat): o for o in told} for side, told in sides.items()
    }
    keys = list(dict.fromkeys(key for told in outcomes.values() for key in told))
    columns = ["example", "input", "expected"]
    columns += [f"{side}_{what}" for side in outcomes for what in ("answer", "score")]

    def line(key: tuple[str, int]) -> list[Any]:
        found = [told.get(key) for told in outcomes.values()]
        row = next(outcome for outcome in found if outcome).cell.example.row
        shown = {name: value for name, value in row.items() if name != target}
        cells: list[Any] = [key[0], _compact(shown), None if target is None else row.get(target)]
        for outcome in found:
            cells += [answer_of(outcome), outcome.value] if outcome else [None, None]
        return cells

    def difference(cells: list[Any]) -> float:
        scores = [score for score in cells[4::2] if score is not None]
        return min(scores, default=0.0) - max(scores, default=0.0)

    return {"columns": columns, "data": sorted((line(key) for key in keys), key=difference)}


def _compact(row: Mapping[str, Any]) -> str:
    """The one field of a row as it is, several as JSON."""
    if len(row) == 1:
        return str(next(iter(row.values())))
    return json.dumps(dict(row), ensure_ascii=False, default=str)
