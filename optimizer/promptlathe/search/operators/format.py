"""Format repair: a request about outputs that cannot be read. What can be said without asking
anyone is `contract`'s."""

from promptlathe.search.operators.contract import UNREAD
from promptlathe.search.operators.operator_context import OperatorContext, rows


def format(context: OperatorContext) -> str | None:
    """A request for a stricter or simpler contract; None when outputs can be read."""
    if len(context.unread) <= UNREAD * len(context.cases):
        return None
    shown = context.sampled(context.unread)
    return context.ask("format", mistakes=rows(context, shown), reading=context.reading)
