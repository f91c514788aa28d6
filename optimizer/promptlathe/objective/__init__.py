"""The objective: a dataset with its splits, the scorers of an answer, and the goal.

file ─ dataset → rows ─ splits → examples;   reply ─ parsing → parsed ─ scorers → outcome
"""

from promptlathe.objective.contract import Contract
from promptlathe.objective.dataset import HuggingFace, Source
from promptlathe.objective.functions import function
from promptlathe.objective.goal import Goal
from promptlathe.objective.limits import Limit, Limits
from promptlathe.objective.objective import Objective
from promptlathe.objective.scorer import Scorer
from promptlathe.objective.scorers import (
    contains,
    exact_match,
    json_match,
    numeric,
    regex,
    token_f1,
)
from promptlathe.objective.splits import Splits

__all__ = [
    "Contract",
    "Goal",
    "HuggingFace",
    "Limit",
    "Limits",
    "Objective",
    "Scorer",
    "Source",
    "Splits",
    "contains",
    "exact_match",
    "function",
    "json_match",
    "numeric",
    "regex",
    "token_f1",
]
