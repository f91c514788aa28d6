"""Numbers in a text: where each stands, what it is worth, and how it hangs together with others."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from promptlathe.data.spelling import Written, normal

Value = int | float
MOST_DIGITS = 4300
"""Of a whole number: Python writes no longer ones."""

_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|janvier|f[ée]vrier|mars|avril|mai|juin|juillet|ao[ûu]t|septembre|octobre|novembre|d[ée]cembre)"
)
_DATE = rf"""
    [0-9]{{1,4}} (?P<sep>[/.-]) [0-9]{{1,2}} (?P=sep) [0-9]{{2,4}} (?![0-9])
  | [0-9]{{1,2}} (?: er | st | nd | rd | th )? \s (?: of \s )? {_MONTH} (?: ,? \s [0-9]{{4}} )?
    (?![^\W_])
  | (?<![^\W_]) {_MONTH} \s [0-9]{{1,2}} (?: st | nd | rd | th )? (?: ,? \s [0-9]{{4}} )? (?![^\W_])
  | [0-9]{{1,2}} : [0-5][0-9] (?: : [0-5][0-9] )? (?![0-9])
  | [0-9]{{1,2}} \s? h \s? [0-5][0-9] (?![0-9])
  | (?! [0-9]{{1,3}} (?: \.[0-9]{{3}} )+ (?![0-9.]) ) [0-9]+ (?: \.[0-9]+ ){{2,}}
"""
_PLAIN = r"""
    [0-9]{1,3} (?: [ '][0-9]{3} )+ (?: [.,][0-9]+ )? (?![0-9])
  | [0-9]+ (?: _[0-9]{3} )+ (?![0-9])
  | [0-9]+ (?: [.,][0-9]+ )* (?: [eE][+-]?[0-9]+ )?
  | \.[0-9]+
"""
_SCALES = {
    "hundred": 2,
    "thousand": 3,
    "mille": 3,
    "k": 3,
    "million": 6,
    "millions": 6,
    "m": 6,
    "billion": 9,
    "billions": 9,
    "bn": 9,
    "b": 9,
    "milliard": 9,
    "milliards": 9,
    "trillion": 12,
    "trillions": 12,
}
_QUANTITY = re.compile(
    rf"""
    (?P<date> (?<![^\W_]) (?<![0-9][.,/]) (?: {_DATE} ) )
  | (?: (?P<minus> (?<![\w)\]%^.,] ) - | (?<![^\W_]) (?: minus | moins ) \s (?=[$€£¥.]?[0-9]) )
        (?P<paid> [$€£¥] )?
      | (?P<money> [$€£¥] ) \s? (?P<inner> - )?
      | (?<![^\W_]) (?<![^\W\d_]-)
    )
    (?<! [0-9][.,] ) (?<! \^ )
    (?: (?P<units> [0-9]{{1,6}} ) \s (?P<over> [0-9]{{1,6}} / [0-9]{{1,6}} ) (?![0-9/])
      | (?P<fraction> [0-9]{{1,30}} / [0-9]{{1,30}} ) (?! /? [0-9] )
      | (?P<body> {_PLAIN} )
        (?: \s? [x×*·] \s? 10 \s? \^ \s? (?P<tens> [+-]?[0-9]{{1,4}} )
          | \^ (?P<power> [+-]?[0-9]{{1,3}} ) )?
        (?: \s? (?P<scale> hundred | thousand | mille | [mb]illions? | trillions? | milliards? | k
          | (?<=[0-9]) (?: m | bn? ) ) (?![^\W_]) )?
    )
    (?: \s? [%€$£¥°] )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_THOUSANDS = re.compile(
    r"[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"
)
_WHOLE = re.compile(rf"[+-]?[$€£¥]?[+-]?\s?(?P<body>{_PLAIN})\s?[$€£¥]?", re.VERBOSE)
_PADDED = re.compile(r"[+-]?0[0-9]")

_JOIN = re.compile(
    r"\s*(?:[^\W\d_]{1,3}\.?\s*)?(?:-|\+|\*|×|·|÷|/|\^|\b(?:x|to|a|jusqu'a|or|ou|plus|minus|times)\b)"
    r"\s*[$€£¥(]*\s*|\s*[^\W\d_]{1,15}\s+(?:or|ou)\s+"
)
_FROM = re.compile(r"\b(?P<both>between|entre)\s+[$€£]?$|\b(?:from|de)\s+[$€£]?$")
_TO = re.compile(r"[^.;\n=]{0,30}?(?:\b(?P<and>and|et)|\b(?:to|a)|-)\s+(?:[a-z']+\s+)?[$€£]?")
_EQUALS = re.compile(r"[^=]{0,3}=\s*[\s$€£¥*({\\≈]*")
_ASIDE = re.compile(
    r"(?:\b(?:steps?|lines?|pages?|sections?|equations?|eq|figures?|fig|tables?|chapters?|notes?"
    r"|questions?|rules?|versions?|etapes?|lignes?|chapitres?|regles?|articles?|confidence|confiance)"
    r"\.?:?\s*|[0-9]\s*(?:out of|of|sur)\s+(?:les\s+|the\s+)?|\S\s?\[)$"
)
_GIVE_OR_TAKE = re.compile(r"\s*(?:±|\+/-|plus or minus|plus ou moins)\s*")
_PARENTHESIS = re.compile(r"\([^()\n]{0,200}\)")

_LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{\s*([0-9]+)\s*\}\s*\{\s*([0-9]+)\s*\}"), r" \1/\2"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,;: !]"), " "),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\(?:times|cdot)(?![a-zA-Z])"), "×"),
    (re.compile(r"\^\{([+-]?[0-9]+)\}"), r"^\1"),
)
_RAISED = re.compile("(?<=[0-9])[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_VULGAR = re.compile("([0-9]?) ?([¼-¾⅐-⅞↉])")


class Quantity(NamedTuple):
    """A number in a text."""

    start: int
    end: int
    """Its unit's sign included."""
    value: Value | None
    """None when it is too large."""
    joined: bool
    """It is a part of a range, of alternatives or of a sum that is not done."""
    equals: bool
    """It stands after `=`."""
    aside: bool
    """It is beside the point: in parentheses, of how many, of a step or a line."""


def prepared(text: str) -> str:
    """A text with the numbers of LaTeX and typography as plain ones: `\\frac{3}{4}`, `1½`."""
    if "\\" in text or "{" in text:
        for pattern, plain in _LATEX:
            text = pattern.sub(plain, text)
    if text.isascii():
        return text
    text = _RAISED.sub(lambda m: "^" + unicodedata.normalize("NFKC", m[0]).replace("−", "-"), text)
    return _VULGAR.sub(_fraction, text)


def _fraction(match: re.Match[str]) -> str:
    plain = unicodedata.normalize("NFKC", match[2]).replace("⁄", "/")
    return f"{match[1]} {plain}" if match[1] else plain


def quantities(form: Written) -> list[Quantity]:
    """All numbers of a text, in order. Dates, times and versions are none."""
    kept, plain = form.kept, form.plain
    found: list[Quantity] = []
    inside = [m.span() for m in _PARENTHESIS.finditer(kept)] if "(" in kept else []
    room = 0
    for match in _QUANTITY.finditer(kept):
        if match["date"]:
            continue
        start, end = match.span()
        while room < len(inside) and inside[room][1] <= start:
            room += 1
        aside = (room < len(inside) and inside[room][0] < start) or bool(
            _ASIDE.search(plain, max(start - 20, 0), start)
        )
        joined = equals = False
        if found and start - found[-1].end <= 40:
            last = found[-1]
            joined = _hang_together(plain, last, start)
            aside = aside or bool(_GIVE_OR_TAKE.fullmatch(plain, last.end, start))
            equals = not joined and bool(_EQUALS.fullmatch(plain, last.end, start))
            if joined:
                found[-1] = last._replace(joined=True)
        equals = equals or plain[max(start - 3, 0) : start].rstrip(" $€£").endswith("=")
        found.append(Quantity(start, end, _worth(match), joined, equals, aside))
    return found


def exact_number(text: str) -> Decimal | None:
    """The number that a whole text is, to its last digit; a currency may stand beside it.

    None for other texts, for a per cent, and for padded codes such as `007`.
    """
    text = normal(text).strip()
    match = _WHOLE.fullmatch(text)
    if match is None or _PADDED.match(match["body"]):
        return None
    size = _decimal(match["body"])
    return (
        None if size is None else size.copy_negate() if "-" in text[: match.start("body")] else size
    )


def _hang_together(plain: str, first: Quantity, second: int) -> bool:
    """A range, alternatives, or a sum."""
    if _JOIN.fullmatch(plain, first.end, second):
        return True
    if plain[second] in "-m" and plain[first.end : second].isspace():
        return True  # `10 minus 5`
    begun = _FROM.search(plain, max(first.start - 12, 0), first.start)
    went = begun and _TO.fullmatch(plain, first.end, second)
    return bool(begun and went) and bool(begun and begun["both"]) == bool(went and went["and"])


def _worth(match: re.Match[str]) -> Value | None:
    if match["units"]:
        over, under = match["over"].split("/")
        size = _ratio(int(match["units"]) * int(under) + int(over), int(under))
    elif match["fraction"]:
        over, under = match["fraction"].split("/")
        size = _ratio(int(over), int(under))
    else:
        size = _size(match)
    return -size if size is not None and (match["minus"] or match["inner"]) else size


def _ratio(over: int, under: int) -> Value | None:
    if not under:
        return None
    return over // under if over % under == 0 else over / under


def _size(match: re.Match[str]) -> Value | None:
    body = match["body"]
    if body.isdecimal() and len(body) < 16 and match.lastgroup == "body":
        return int(body)
    size = _decimal(body)
    if size is None:
        return None
    if power := int(match["power"] or 0):
        if size > 10_000 or size != int(size) or abs(power) > 100:
            return None
        return int(size) ** power if power > 0 or not size else float(int(size)) ** power
    shift = int(match["tens"] or 0)
    scale = (match["scale"] or "").casefold()
    if scale and (len(scale) > 2 or scale == "k" or match["paid"] or match["money"]):
        shift += _SCALES[scale]
    return _number(size.scaleb(shift) if shift else size)


def _number(size: Decimal) -> Value | None:
    """As a whole number where it is one, and was not written as `6e23`."""
    exponent = size.as_tuple().exponent
    if exponent == 0:
        return int(size) if len(size.as_tuple().digits) <= MOST_DIGITS else None
    value = float(size)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _decimal(body: str) -> Decimal | None:
    """What the digits say, whichever signs part thousands and decimals."""
    digits = re.sub("[ '_]", "", body)
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "").replace(".", "")
    elif "," in digits and "." in digits:
        decimal = max(",.", key=digits.rfind)
        digits = digits.replace(",."[decimal == ","], "").replace(decimal, ".")
    else:
        digits = digits.replace(",", ".")
    try:
        return Decimal(digits)
    except InvalidOperation:  # more than one decimal point: a date, a version
        return None
