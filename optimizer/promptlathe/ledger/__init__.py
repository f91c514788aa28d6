"""The durable record of every outcome: cache, resume, warm start and replay are read from it."""

from promptlathe.ledger.database import check_ledger
from promptlathe.ledger.ledger import Ledger
from promptlathe.ledger.records import Course, Known, Opening, Terms

__all__ = ["Course", "Known", "Ledger", "Opening", "Terms", "check_ledger"]
