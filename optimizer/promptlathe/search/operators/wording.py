"""Operators that need no rows: the same in other words, in fewer, or in another language."""

from promptlathe.search.operators.operator_context import OperatorContext

SHORT = 12
"""Words that a text may have without being worth shortening."""


def paraphrase(brief: OperatorContext) -> str:
    """A request for the same in other words."""
    return brief.ask("paraphrase")


def shorten(brief: OperatorContext) -> str | None:
    """A request for the same effect with half as many words; None when the text is short."""
    return brief.ask("shorten") if len(brief.text.split()) > SHORT else None


def translate(brief: OperatorContext) -> str:
    """A request for the text in English, or in French when it is English."""
    return brief.ask("translate", language="French" if brief.language == "en" else "English")
