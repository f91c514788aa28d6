"""Rules: short definitions and decision rules for what is confused."""

from promptlathe.search.operators.operator_context import OperatorContext, rows


def rules(context: OperatorContext) -> str | None:
    """A request with the confusion table; None when the answers are free text,
    or all right, or not those of this step."""
    if not (context.answers and context.mistakes and context.is_read):
        return None
    confused = [case for case in context.mistakes if not case.outcome.unread]
    return context.ask(
        "rules",
        confusions=context.confusions() or "none",
        mistakes=rows(context, context.sampled(confused or context.mistakes)),
        successes=context.other_rows(),
    )
