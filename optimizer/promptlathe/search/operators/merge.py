"""Merge: two good texts of different ancestry as one."""

from promptlathe.search.operators.operator_context import OperatorContext


def merge(brief: OperatorContext) -> str | None:
    """A request with the best text of other ancestry; None when there is none."""
    return brief.ask("merge", other=brief.others[0][1]) if brief.others else None
