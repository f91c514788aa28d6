"""Merge: two good texts of different ancestry as one."""

from promptlathe.search.operators.operator_context import OperatorContext


def merge(context: OperatorContext) -> str | None:
    """A request with the best text of other ancestry; None when there is none."""
    return context.ask("merge", other=context.others[0][1]) if context.others else None
