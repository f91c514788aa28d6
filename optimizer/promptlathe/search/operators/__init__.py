"""Operators: what makes new levels while a run goes on.

workshop    the policy around a policy: when who works, and what becomes of it
portfolio   the operators by name; one small file each
brief       what an operator is told
said        what a text says already
guards      what a new text must keep to
"""

from promptlathe.search.operators.lineage import (
    Birth,
    Descent,
    OperatorReport,
    ancestry,
    lineage_of,
)
from promptlathe.search.operators.portfolio import NAMES, USUAL, WITHOUT_REWRITER

__all__ = [
    "NAMES",
    "USUAL",
    "WITHOUT_REWRITER",
    "Birth",
    "Descent",
    "OperatorReport",
    "ancestry",
    "lineage_of",
]
