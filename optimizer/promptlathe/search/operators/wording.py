"""Operators that need no rows: the same in other words, in fewer, or in another language."""

from promptlathe.search.operators.operator_context import OperatorContext

SHORT = 12
"""Words that a text may have without being worth shortening."""


def paraphrase(context: OperatorContext) -> str:
    """A request for the same in other words."""
    return context.ask("paraphrase")


def shorten(context: OperatorContext) -> str | None:
    """A request for the same effect with half as many words; None when the text is short."""
    return context.ask("shorten") if len(context.text.split()) > SHORT else None


def translate(context: OperatorContext) -> str:
    """A request for the text in English, or in French when it is English."""
    return context.ask("translate", language="French" if context.language == "en" else "English")
