"""The words, numbers and dates of a language.

English stands in the code and the templates. Other languages have a catalog, `locale/CODE.po`,
which is read as it is: a checkout, an editable install and a wheel hold the same file.
"""

import gettext
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from promptlathe.report.languages import LanguageCode

FOLDER = Path(__file__).parent / "locale"
MINUS = "\N{MINUS SIGN}"
UNKNOWN = "–"
"""Stands for what is not known."""
NARROW = "\N{NARROW NO-BREAK SPACE}"


class Language:
    """Texts and figures for a reader of one language."""

    def __init__(self, code: LanguageCode = "en") -> None:
        self.code: LanguageCode = code
        self.translations = _translations(code)
        self._locale = Locale.parse(code)

    def gettext(self, text: str) -> str:
        """The text in this language."""
        return self.translations.gettext(text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """The form of the text for n things."""
        return self.translations.ngettext(one, many, n)

    # Figures: `–` for None.

    def number(self, value: float | None, digits: int = 3) -> str:
        """0.469, with so many digits behind the separator."""
        return self._decimal(value, f"#,##0.{'0' * digits}" if digits else "#,##0")

    def gain(self, value: float | None, digits: int = 3) -> str:
        """The same with its sign; 0 has none."""
        shape = f"#,##0.{'0' * digits}" if digits else "#,##0"
        if value is not None and not round(value, digits):
            return self._decimal(0.0, shape)
        return self._decimal(value, f"+{shape};-{shape}")

    def short(self, value: float | None) -> str:
        """A value with no more digits than it needs, three at most."""
        return self._decimal(value, "#,##0.###")

    def count(self, value: float | None) -> str:
        """A whole number."""
        return self._decimal(value, "#,##0")

    def percent(self, share: float | None) -> str:
        """Of a share: 47 %, as the language writes it."""
        if share is None:
            return UNKNOWN
        return format_percent(share, locale=self._locale).replace("-", MINUS)

    def money(self, usd: float | None) -> str:
        """USD, with two digits or, of less than a dollar, two that say something."""
        if usd is None:
            return UNKNOWN
        digits = 2
        while usd and usd * 10**digits < 10 and digits < 8:
            digits += 1
        pattern = self._locale.currency_formats["standard"].pattern.split(";")[0]
        shaped = pattern.replace("0.00", f"0.{'0' * digits}").replace("¤", "$")
        return self._decimal(usd, shaped)

    def day(self, moment: datetime) -> str:
        """27 Nov 2026, as the language writes it; in UTC."""
        return format_date(moment.astimezone(UTC), "medium", locale=self._locale)

    def moment(self, moment: datetime) -> str:
        """Day and time, UTC."""
        said = format_datetime(moment.astimezone(UTC), "medium", tzinfo=UTC, locale=self._locale)
        return f"{said} UTC"

    def took(self, seconds: float) -> str:
        """A time span: 2 h 5 min, 1 min 12 s."""
        whole = round(seconds)
        if whole < 60:
            return f"{self.short(round(seconds, 1))}{NARROW}s"
        minutes, rest = divmod(whole, 60)
        hours, minutes = divmod(minutes, 60)
        parts = [(hours, "h"), (minutes, "min"), *([] if hours else [(rest, "s")])]
        return " ".join(f"{value}{NARROW}{unit}" for value, unit in parts if value)

    @property
    def figures(self) -> Mapping[str, Any]:
        """The functions above by name, for templates."""
        names = ("number", "gain", "short", "count", "percent", "money", "day", "moment", "took")
        return {name: getattr(self, name) for name in names}

    def _decimal(self, value: float | None, shape: str) -> str:
        if value is None or value != value:
            return UNKNOWN
        return _decimal(float(value), shape, self._locale)


@cache
def _translations(code: LanguageCode) -> gettext.NullTranslations:
    if code == "en":
        return gettext.NullTranslations()
    with (FOLDER / f"{code}.po").open("rb") as file:
        catalog = read_po(file, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def _decimal(value: float, shape: str, locale: Locale) -> str:
    return format_decimal(value, format=shape, locale=locale).replace("-", MINUS)
