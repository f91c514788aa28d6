"""The one way to the terminal: what others wrote is shown, and does nothing there (visible.py)."""

import sys

import click

from promptlathe.visible import UNSEEN, drawable, visible

__all__ = ["say", "visible", "visible_json"]


def visible_json(text: str) -> str:
    """The same for JSON, which stays the same data."""
    return UNSEEN.sub(lambda match: _utf16(match[0]), text)


def say(text: str = "", *, err: bool = False, bold: bool = False) -> None:
    """Print lines. What the terminal has no character for is printed as its code, too."""
    stream = sys.stderr if err else sys.stdout
    shown = drawable(text, stream)
    click.echo(click.style(shown, bold=True) if bold else shown, err=err)


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
