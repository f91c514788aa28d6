"""Texts that are kept with a run: prompts, and the table of held-out rows."""

import json
from collections.abc import Mapping
from typing import Any

from promptlathe.records import FinalistName, Message, Outcome, Prompt
from promptlathe.space.conversation import transcript
from promptlathe.space.tools import PARAMETER as TOOLS
from promptlathe.space.tools import shown_tools


def prompts_json(prompts: Mapping[str, Prompt]) -> str:
    """Messages and model parameters, for programs; several prompts by name."""
    content = {
        name: {
            "id": prompt.id,
            "messages": [message.to_dict() for message in prompt.messages],
            "parameters": dict(prompt.parameters),
            **({"fills": dict(prompt.fills)} if prompt.fills else {}),
            **({"tool_keys": dict(prompt.tool_keys)} if prompt.tool_keys else {}),
        }
        for name, prompt in prompts.items()
    }
    shown = content if len(content) > 1 else next(iter(content.values()))
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def prompts_text(prompts: Mapping[str, Prompt]) -> str:
    """Messages and model parameters, for people."""
    if len(prompts) == 1:
        return _text(next(iter(prompts.values())))
    return "\n\n".join(f"# {name}\n\n{_text(prompt)}" for name, prompt in prompts.items())


def plain(message: Message) -> str:
    """The content as one text: a line for each part, a picture as its address."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part if isinstance(part, str) else part.url for part in message.content)


def _text(prompt: Prompt) -> str:
    parts = [f"[{message.role}]\n{plain(message)}" for message in prompt.messages]
    if tools := shown_tools(prompt):
        parts.append(f"[tools]\n{tools}")
    if parameters := {k: v for k, v in prompt.parameters if k != TOOLS}:
        parts.append("[parameters]\n" + "\n".join(f"{k} = {v}" for k, v in parameters.items()))
    for name, rule in prompt.fills:
        lines = "\n".join(f"{key} = {value}" for key, value in rule.items() if value is not None)
        parts.append(f"[{name}, filled in for each row]\n{lines}")
    return "\n\n".join(parts) + "\n"


def answer_of(outcome: Outcome) -> str:
    """The output, or why there is none."""
    if failure := outcome.failure:
        return f"({failure.reason}: {failure.detail})"
    return outcome.trace.text


def examples_table(
    sides: Mapping[FinalistName, list[Outcome]], target: str | None
) -> dict[str, list[Any]]:
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
    """The one field of a row as it is, several as JSON; conversations for people to read."""
    shown = {name: transcript(value) or value for name, value in row.items()}
    if len(shown) == 1:
        return str(next(iter(shown.values())))
    return json.dumps(shown, ensure_ascii=False, default=str)
