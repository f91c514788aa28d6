"""The durable record of calls and events: cache, resume, warm start and replay are read from it."""

from promptlathe.ledger.asking import Asking
from promptlathe.ledger.database import check_ledger, file_of, sqlite_url
from promptlathe.ledger.ledger import Ledger
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
    "file_of",
    "sqlite_url",
]
