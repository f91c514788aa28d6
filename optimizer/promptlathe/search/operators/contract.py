"""Contract: outputs that cannot be read need the request that fits the way they are read.

Reflection on wrong answers may never notice a broken format (decision 0009).
"""

from collections.abc import Sequence

from promptlathe.search.operators.operator_context import OperatorContext
from promptlathe.search.operators.said import format_requests, names_all, without
from promptlathe.space import placeholders

UNREAD = 0.05
"""Share of outputs that could not be read from which on there is something to repair."""


def contract(context: OperatorContext) -> Sequence[str] | None:
    """The text with each contract in place of its own requests for a format; None when outputs can
    be read, or another component asks for a format: then that is the one to mend."""
    if len(context.unread) <= UNREAD * len(context.cases) or any(
        format_requests(text) for _, text in context.beside
    ):
        return None
    # A list of the labels has a place of its own, where there are several texts.
    named = bool(context.beside) or names_all(f"{context.prompt}\n{context.text}", context.answers)
    kept = without(
        context.text, [one for one in format_requests(context.text) if _free(context, one)]
    )
    fitting = [one for one in context.contracts if not (named and names_all(one, context.answers))]
    new = [f"{kept}\n{one}".strip() for one in fitting or context.contracts]
    return [text for text in new if text not in context.known] or None


def _free(context: OperatorContext, sentence: str) -> bool:
    """It may go: no phrase or placeholder in it must stay."""
    return not placeholders(sentence) and not any(one in sentence for one in context.protect)
