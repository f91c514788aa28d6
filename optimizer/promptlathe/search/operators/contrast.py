"""Contrast: what does a prompt say that gets the same rows right?"""

from promptlathe.search.operators.operator_context import OperatorContext, rows


def contrast(context: OperatorContext) -> str | None:
    """A request about the rival that mends most mistakes; None when none mends any."""
    best, text = [], ""
    for _, other, cases in context.rivals:
        right = {case.example.id for case in cases if case.right}
        mended = [case for case in context.mistakes if case.example.id in right]
        if len(mended) > len(best):
            best, text = mended, other
    if not best:
        return None
    return context.ask("contrast", mistakes=rows(context, context.sampled(best)), other=text)
