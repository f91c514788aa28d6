"""The objective: a dataset with its splits, the scorers of an output, and the goal.

trace ─ parsing → parsed ─ scorers → scores ─ goal → value
"""

from promptlathe.scoring.builtin.citations import citations
from promptlathe.scoring.builtin.code import tests
from promptlathe.scoring.builtin.compared import contains, exact_match, numeric, regex, token_f1
from promptlathe.scoring.builtin.grounded import abstain, grounded
from promptlathe.scoring.builtin.language import language
from promptlathe.scoring.builtin.measured import length, readability
from promptlathe.scoring.builtin.objects import json_match, json_schema
from promptlathe.scoring.builtin.overlap import chrf, rouge, similarity
from promptlathe.scoring.builtin.phrases import banned, required
from promptlathe.scoring.contract import Contract
from promptlathe.scoring.functions import function
from promptlathe.scoring.goal import Goal
from promptlathe.scoring.judging import compare, judge
from promptlathe.scoring.limits import Limit, Limits
from promptlathe.scoring.objective import Objective
from promptlathe.scoring.questions import questions
from promptlathe.scoring.scorer import Scorer
from promptlathe.scoring.tool_call import ToolCall, tool_call

__all__ = [
    "Contract",
    "Goal",
    "Limit",
    "Limits",
    "Objective",
    "Scorer",
    "ToolCall",
    "abstain",
    "banned",
    "chrf",
    "citations",
    "compare",
    "contains",
    "exact_match",
    "function",
    "grounded",
    "json_match",
    "json_schema",
    "judge",
    "language",
    "length",
    "numeric",
    "questions",
    "readability",
    "regex",
    "required",
    "rouge",
    "similarity",
    "tests",
    "token_f1",
    "tool_call",
]
