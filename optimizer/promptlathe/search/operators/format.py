"""Format repair: a request about outputs that cannot be read. What can be said without asking
anyone is `contract`'s."""

from promptlathe.search.operators.contract import UNREAD
from promptlathe.search.operators.operator_context import OperatorContext, rows


def format(brief: OperatorContext) -> str | None:
    """A request for a stricter or simpler contract; None when outputs can be read."""
    if len(brief.unread) <= UNREAD * len(brief.cases):
        return None
    shown = brief.sampled(brief.unread)
    return brief.ask("format", mistakes=rows(brief, shown), reading=brief.reading)
