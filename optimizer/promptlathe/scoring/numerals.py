"""Numbers as people and models write them: `1,200.50`, `1 200,50 €`, `-$5`, `12 %`.

A comma or point followed by exactly three digits, once, is ambiguous: `1,234` is read as
1234 and `1.234` as 1.234, as in English. A per cent sign is a unit: `12 %` is 12. A fraction
such as `1/2` is two numbers.
"""

from __future__ import annotations

import math
import re

_BODY = r"""
    [0-9]{1,3} (?: [ \u00a0\u2009\u202f'’] [0-9]{3} )+ (?: [.,][0-9]+ )? (?![0-9])
  | [0-9]+ (?: [.,][0-9]+ )* (?: [eE][+-]?[0-9]+ )?
  | \.[0-9]+
"""
_NUMBER = re.compile(
    rf"""
    (?: (?<! [\w)\]%.,] ) (?P<minus>[-−]) [$€£¥]? | [$€£¥] (?P<inner>[-−]) | (?<! \w ) )
    (?<! [0-9][.,] )
    (?P<body>{_BODY})
    """,
    re.VERBOSE,
)
_WHOLE = re.compile(rf"\s* [-−+]? [$€£¥]? [-−]? (?:{_BODY}) \s? [$€£¥%]? \s*", re.VERBOSE)
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}")


def last_number(text: str) -> int | float | None:
    """The last number in `text`; None when there is none."""
    if "\\" in text or "{" in text:  # LaTeX spells the thousands separator {,} or \,
        text = text.replace("{,}", ",").replace("\\,", ",").replace("\\$", "$")
    for match in reversed(list(_NUMBER.finditer(text))):
        size = _value(match["body"])
        if size is not None:
            return -size if match["minus"] or match["inner"] else size
    return None


def whole_number(text: str) -> int | float | None:
    """The number that `text` is, unit aside; None when it is anything more."""
    return last_number(text) if _WHOLE.fullmatch(text) else None


def _value(body: str) -> int | float | None:
    digits = re.sub(r"[ \u00a0\u2009\u202f'’]", "", body)
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "").replace(".", "")
    elif "," in digits and "." in digits:
        decimal = max(",.", key=digits.rfind)
        digits = digits.replace(",."[decimal == ","], "").replace(decimal, ".")
    else:
        digits = digits.replace(",", ".")
    try:
        value = float(digits)
    except ValueError:  # more than one decimal point: a date, a version
        return None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
