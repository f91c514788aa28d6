"""Rewrite from failures: what do the mistakes have in common?"""

from promptlathe.search.operators.operator_context import OperatorContext, rows


def rewrite(brief: OperatorContext) -> str | None:
    """A request that shows mistakes of each kind, and further rows; None without mistakes."""
    if not brief.mistakes:
        return None
    shown = brief.sampled(brief.mistakes)
    return brief.ask("rewrite", mistakes=rows(brief, shown), successes=brief.other_rows())
