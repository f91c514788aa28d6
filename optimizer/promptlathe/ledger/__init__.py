"""The durable record of calls and events: cache, resume, warm start and replay are read from it."""

from promptlathe.ledger.asking import Asking
from promptlathe.ledger.database import LEDGER, check_ledger, file_of, ledger_at, sqlite_url
from promptlathe.ledger.ledger import Ledger, existing_ledger
from promptlathe.ledger.locks import BEAT, Holder
from promptlathe.ledger.records import (
    BegunRun,
    EarlierOutcome,
    KeptResult,
    Opening,
    RecordedRun,
    ScoringTerms,
    Segment,
)

__all__ = [
    "BEAT",
    "LEDGER",
    "Asking",
    "BegunRun",
    "EarlierOutcome",
    "Holder",
    "KeptResult",
    "Ledger",
    "Opening",
    "RecordedRun",
    "ScoringTerms",
    "Segment",
    "check_ledger",
    "existing_ledger",
    "file_of",
    "ledger_at",
    "sqlite_url",
]
