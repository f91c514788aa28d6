"""An output as a judge sees it."""

from __future__ import annotations

from promptlathe.records import Content, Image, Trace


def shown(trace: Trace, head: str = "") -> Content:
    """The output under a heading; a picture as a part of its own."""
    if trace.picture is None:
        return head + trace.text
    return f"{head}(the picture)", Image(trace.text)
