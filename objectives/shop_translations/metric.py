"""French and English typography: spaces before marks, and quotation marks."""

import re

FRENCH = (
    (
        "no narrow no-break space before ; ! ?",
        re.compile(r"(?<![\s«;!?…])[;!?]|[^\S\u202f\u00a0][;!?]"),
    ),
    ("no no-break space before :", re.compile(r"(?<=[^\W\d]):(?=\s|$)|[^\S\u202f\u00a0]:")),
    ("no no-break space before % or €", re.compile(r"\d[^\S\u202f\u00a0]?[%€]")),
    ("quotation marks that are not « »", re.compile(r"[\"“”]")),
    ("no no-break space inside « »", re.compile(r"«(?![\u202f\u00a0])|(?<![\u202f\u00a0])»")),
)
ENGLISH = (
    ("a space before a mark", re.compile(r"\s[;:!?]")),
    ("French quotation marks", re.compile(r"[«»]")),
    ("an amount before its currency", re.compile(r"\d\s?€")),
)


def typography(row, answer):
    """The share of the language's rules that the answer keeps, and which it does not."""
    rules = FRENCH if row["lang"] == "fr" else ENGLISH
    broken = [rule for rule, pattern in rules if pattern.search(answer)]
    return 1 - len(broken) / len(rules), ", ".join(broken)
