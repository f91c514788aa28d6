"""Which languages a report may have."""

from typing import Literal, get_args

LanguageCode = Literal["en"]
LANGUAGES: tuple[LanguageCode, ...] = get_args(LanguageCode)
