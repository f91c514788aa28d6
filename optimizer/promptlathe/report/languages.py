"""Which languages a report may have."""

from typing import Literal, get_args

LanguageCode = Literal["en", "fr"]
LANGUAGES: tuple[LanguageCode, ...] = get_args(LanguageCode)
