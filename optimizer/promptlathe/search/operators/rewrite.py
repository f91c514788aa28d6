"""Rewrite from failures: what do the mistakes have in common?"""

from promptlathe.search.operators.operator_context import OperatorContext, rows


def rewrite(context: OperatorContext) -> str | None:
    """A request that shows mistakes of each kind, and further rows; None without mistakes."""
    if not context.mistakes:
        return None
    shown = context.sampled(context.mistakes)
    return context.ask("rewrite", mistakes=rows(context, shown), successes=context.other_rows())
