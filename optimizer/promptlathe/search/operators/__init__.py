"""Operators: what makes new levels while a run goes on.

rewriting_policy   the policy around a policy: when who works, and what becomes of it
portfolio   the operators by name; one small file each
operator_context   what an operator is told
said        what a text says already
guards      what a new text must keep to
"""

from promptlathe.search.operators.lineage import (
    LevelLineage,
    LevelOrigin,
    OperatorReport,
    ancestry,
    lineage_of,
)
from promptlathe.search.operators.portfolio import NAMES, USUAL, WITHOUT_REWRITER

__all__ = [
    "NAMES",
    "USUAL",
    "WITHOUT_REWRITER",
    "LevelLineage",
    "LevelOrigin",
    "OperatorReport",
    "ancestry",
    "lineage_of",
]
