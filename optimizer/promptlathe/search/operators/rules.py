"""Rules: short definitions and decision rules for what is confused."""

from promptlathe.search.operators.operator_context import OperatorContext, rows


def rules(brief: OperatorContext) -> str | None:
    """A request with the confusion table; None when the answers are free text, or all right."""
    if not brief.answers or not brief.mistakes:
        return None
    confused = [case for case in brief.mistakes if not case.outcome.unread]
    return brief.ask(
        "rules",
        confusions=brief.confusions() or "none",
        mistakes=rows(brief, brief.sampled(confused or brief.mistakes)),
        successes=brief.other_rows(),
    )
