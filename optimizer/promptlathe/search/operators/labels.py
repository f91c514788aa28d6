"""Labels: a prompt that is read by its labels names them all."""

from collections.abc import Sequence

from promptlathe.search.operators.operator_context import OperatorContext
from promptlathe.search.operators.said import in_order, is_home, listing, names_all, with_listing

HEAD = "Labels:"


def labels(context: OperatorContext) -> Sequence[str] | None:
    """The text with a list of the right answers; None when the prompt names them, or another
    component lists labels. What a list says of its labels is kept."""
    if not (
        context.answers
        and context.literal
        and is_home(context.text, context.beside, context.answers)
    ):
        return None
    old = listing(context.text, context.answers)
    if names_all(f"{context.prompt}\n{context.text}", context.answers) and (
        old is None or old.exact
    ):
        return None
    known = old.names if old else {}
    lines = [
        f"- {one}: {known[one]}" if known.get(one) else f"- {one}"
        for one in in_order(context.answers, old)
    ]
    return [with_listing(context.text, lines, old, HEAD)]
