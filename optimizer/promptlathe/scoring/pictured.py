"""An output as a judge sees it, where it may be a picture."""

from __future__ import annotations

from promptlathe.records import Content, Image, Trace


def said(trace: Trace) -> str:
    """The output's text, or what stands in its place."""
    return trace.text if trace.picture is None else "(the picture)"


def pictured(trace: Trace, text: str) -> Content:
    """What is said around an output; a picture follows as a part of its own."""
    return text if trace.picture is None else (text, Image(trace.text))
