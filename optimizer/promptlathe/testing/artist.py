"""An artist that needs no model: it draws the shapes that a prompt names, and reads them back.

    with ScriptedServer(Artist()) as server: ...     # draws, and answers questions about pictures

Every `COLOUR SHAPE` of a prompt is drawn once, unless the prompt says `no COLOUR SHAPE`. A question
about a shape is answered by the pixels; one about anything else by the prompt, which stands in the
picture's file: yes when it held the longer words of the question.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any

from promptlathe.testing.scripted import Arrived, Reply

COLOURS = {
    "red": (214, 40, 40),
    "green": (40, 160, 70),
    "blue": (40, 70, 214),
    "yellow": (240, 210, 40),
    "black": (20, 20, 20),
}
FILLED = {"square": 0.9, "circle": 0.6, "triangle": 0.0}
"""By shape, more than what part of its field is coloured."""
SIDE, MARGIN = 48, 4
"""Pixels of a shape's field, and around it."""
_NAMED = re.compile(rf"(no\s+)?({'|'.join(COLOURS)})\s+({'|'.join(FILLED)})", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{5,}")
_ASKED = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
_EMPTY = {"there", "visible", "shown", "picture"}

Shape = tuple[str, str]
"""Its colour, and what it is."""


def named(prompt: str) -> list[Shape]:
    """What a prompt asks for, in order, each once."""
    found = [(no, (colour.lower(), shape.lower())) for no, colour, shape in _NAMED.findall(prompt)]
    unwanted = {one for no, one in found if no}
    return [one for one in dict.fromkeys(one for _, one in found) if one not in unwanted]


def draw(prompt: str) -> bytes:
    """A PNG with what the prompt names, side by side; the prompt stands in its text."""
    from PIL import Image, ImageDraw
    from PIL.PngImagePlugin import PngInfo

    wanted = named(prompt)
    picture = Image.new("RGB", (SIDE * max(1, len(wanted)), SIDE), "white")
    pen = ImageDraw.Draw(picture)
    for place, (colour, shape) in enumerate(wanted):
        left, top = place * SIDE + MARGIN, MARGIN
        right, bottom = (place + 1) * SIDE - MARGIN - 1, SIDE - MARGIN - 1
        match shape:
            case "square":
                pen.rectangle((left, top, right, bottom), COLOURS[colour])
            case "circle":
                pen.ellipse((left, top, right, bottom), COLOURS[colour])
            case _:
                corners = ((left, bottom), ((left + right) / 2, top), (right, bottom))
                pen.polygon(corners, COLOURS[colour])
    info = PngInfo()
    info.add_itxt("prompt", prompt)
    kept = io.BytesIO()
    picture.save(kept, "PNG", pnginfo=info)
    return kept.getvalue()


def seen(picture: bytes) -> list[Shape]:
    """What is in a picture that `draw` made, by its pixels alone."""
    from PIL import Image

    found: list[Shape] = []
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    for left in range(0, image.width, SIDE):
        counts: Any = image.crop((left, 0, left + SIDE, SIDE)).getcolors(SIDE * SIDE)
        pixels = {rgb: number for number, rgb in counts}
        for colour, rgb in COLOURS.items():
            if part := pixels.get(rgb, 0) / (SIDE - 2 * MARGIN) ** 2:
                found.append((colour, next(s for s, most in FILLED.items() if part > most)))
    return found


def is_so(question: str, picture: bytes) -> bool:
    """The answer to a question about a picture of `draw`."""
    from PIL import Image

    if shapes := named(question):
        return set(shapes) <= set(seen(picture))
    prompt = str(Image.open(io.BytesIO(picture)).info.get("prompt", ""))
    return _words(question) <= _words(prompt)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)} - _EMPTY


class Artist:
    """What a `ScriptedServer` says: a picture to a prompt, answers to questions about one."""

    def __call__(self, arrived: Arrived) -> Reply:
        if "messages" not in arrived.body:
            return Reply(picture=draw(arrived.prompt))
        [picture] = arrived.pictures
        asked = _ASKED.findall(arrived.prompt)
        told = {
            number: {"seen": "", "answer": "yes" if is_so(question, picture) else "no"}
            for number, question in asked
        }
        return Reply(json.dumps(told))
