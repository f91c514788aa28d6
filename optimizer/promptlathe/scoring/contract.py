"""How an output is read, in words: for the prompt's author, human or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptlathe.scoring.parsing import JsonField, Parse, Pattern, Step, Tag, steps
from promptlathe.scoring.scorer import Scorer

MOST_LISTED = 40
"""Right answers that a sentence lists."""


@dataclass(frozen=True)
class Contract:
    """The parse steps of the scorer that the goal names first."""

    parse: tuple[Step, ...]
    said: str | None = None
    """How the output is read, where the scorer says it itself."""
    asks: tuple[str, ...] = ()
    """And what asks for such an output."""

    @property
    def reading(self) -> str:
        """How the output is read."""
        if self.said is not None:
            return self.said
        return " Then: ".join(_reading(step) for step in self.parse)

    @property
    def names_answers(self) -> bool:
        """What is read must be one of the right answers as they are written."""
        return self.said is None and self.parse[-1] not in ("number", "json")

    def sentences(self, answers: Sequence[str]) -> tuple[str, ...]:
        """Requests for an output that can be read, the strictest first.

        answers: all right answers; none when they are free text.
        """
        if self.said is not None:
            return self.asks
        listed = ", ".join(answers) if 0 < len(answers) <= MOST_LISTED else ""
        match self.parse[0]:
            case "text" | "label" if answers:
                bare = "Answer with the label only, nothing else."
                strict = f"Answer with exactly one of these labels and nothing else: {listed}."
                return (bare, strict) if listed else (bare,)
            case "text" | "label":
                return ("Answer with the result only: no explanation, no other words.",)
            case "number":
                return ("Write the final number alone on the last line, in digits.",)
            case "json":
                return ("Answer with one JSON object and nothing else.",)
            case JsonField(path=path):
                inner = f'{{"{path or "answer"}": "..."}}'
                return (f"Answer as JSON and nothing else: {inner}",)
            case Tag(tag=tag):
                return (f"Write the final answer between <{tag}> and </{tag}>.",)
            case Pattern(regex=regex):
                return (f"Write the final answer so that it matches the pattern {regex}",)


def contract_of(scorer: Scorer) -> Contract:
    """Of a scorer; one that parses nothing reads the text as it is."""
    parse: Parse = getattr(scorer, "parse", "text")
    return Contract(steps(parse), scorer.reading, scorer.asks)


def _reading(step: Step) -> str:
    match step:
        case "text":
            return "The whole output is compared with the right answer: it must hold nothing else."
        case "label":
            return "The output must settle on exactly one of the right answers."
        case "number":
            return "The number that the output settles on, or else its last one, is the answer."
        case "json":
            return "The last JSON object in the output is the answer."
        case JsonField(path=path):
            return f"The output is read as JSON, key {path}."
        case Tag(tag=tag):
            return f"The answer is what stands between <{tag}> and </{tag}>."
        case Pattern(regex=regex):
            return f"The answer is the last match of the regular expression {regex}"
