"""Format repair: outputs that cannot be read need a stricter or simpler contract.

Reflection on wrong answers may never notice it (decision 0009), so the contracts
that fit the way the output is read are tried first, without asking anyone.
"""

from collections.abc import Sequence

from promptlathe.search.operators.brief import Brief, rows

UNREAD = 0.05
"""Share of outputs that could not be read from which on there is something to repair."""


def format(brief: Brief) -> str | Sequence[str] | None:
    """The text with each contract that the prompt lacks; then a request; None when outputs can be
    read."""
    if len(brief.unread) <= UNREAD * len(brief.cases):
        return None
    said = f"{brief.prompt}\n{brief.text}"
    stricter = [f"{brief.text}\n{one}" for one in brief.contracts if one not in said]
    if new := [text for text in stricter if text not in brief.known]:
        return new
    shown = brief.sampled(brief.unread)
    return brief.ask("format", mistakes=rows(brief, shown), reading=brief.reading)
