"""Contract: outputs that cannot be read need the request that fits the way they are read.

Reflection on wrong answers may never notice a broken format (decision 0009).
"""

from collections.abc import Sequence

from promptlathe.search.operators.operator_context import OperatorContext
from promptlathe.search.operators.said import format_requests, names_all, without
from promptlathe.space import placeholders

UNREAD = 0.05
"""Share of outputs that could not be read from which on there is something to repair."""


def contract(brief: OperatorContext) -> Sequence[str] | None:
    """The text with each contract in place of its own requests for a format; None when outputs can
    be read, or another component asks for a format: then that is the one to mend."""
    if len(brief.unread) <= UNREAD * len(brief.cases) or any(
        format_requests(text) for _, text in brief.beside
    ):
        return None
    # A list of the labels has a place of its own, where there are several texts.
    named = bool(brief.beside) or names_all(f"{brief.prompt}\n{brief.text}", brief.answers)
    kept = without(brief.text, [one for one in format_requests(brief.text) if _free(brief, one)])
    fitting = [one for one in brief.contracts if not (named and names_all(one, brief.answers))]
    new = [f"{kept}\n{one}".strip() for one in fitting or brief.contracts]
    return [text for text in new if text not in brief.known] or None


def _free(brief: OperatorContext, sentence: str) -> bool:
    """It may go: no phrase or placeholder in it must stay."""
    return not placeholders(sentence) and not any(one in sentence for one in brief.protect)
