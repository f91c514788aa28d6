"""The objective: a dataset with its splits, the scorers of an output, and the goal.

trace ─ parsing → parsed ─ scorers → scores ─ goal → value
"""

from promptlathe.scoring.contract import Contract
from promptlathe.scoring.functions import function
from promptlathe.scoring.goal import Goal
from promptlathe.scoring.judging import judge
from promptlathe.scoring.limits import Limit, Limits
from promptlathe.scoring.objective import Objective
from promptlathe.scoring.scorer import Scorer
from promptlathe.scoring.scorers import (
    contains,
    exact_match,
    json_match,
    numeric,
    regex,
    token_f1,
)
from promptlathe.scoring.tool_call import ToolCall, tool_call

__all__ = [
    "Contract",
    "Goal",
    "Limit",
    "Limits",
    "Objective",
    "Scorer",
    "ToolCall",
    "contains",
    "exact_match",
    "function",
    "json_match",
    "judge",
    "numeric",
    "regex",
    "token_f1",
    "tool_call",
]
