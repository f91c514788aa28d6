"""What a job ends with, as data: whatever shows a run takes a `Result`.

result    verdict, finalists, comparison; its JSON form
facts     what the job was
rows      the held-out rows, and what the finalists answered
curve     how the search went
answers, judges, limits, steps, pareto    parts of it
kept      results in the ledger: by run, by MLflow's id, the latest
"""

from promptlathe.results.answers import STATES, AnswerCounts
from promptlathe.results.curve import CurvePoint
from promptlathe.results.facts import Facts
from promptlathe.results.judges import JudgeReport
from promptlathe.results.limits import Checked, Taken
from promptlathe.results.pareto import pareto
from promptlathe.results.result import Finalist, Result, Test
from promptlathe.results.rows import DecidedRow, RowAnswer
from promptlathe.results.steps import StepReport

__all__ = [
    "STATES",
    "AnswerCounts",
    "Checked",
    "CurvePoint",
    "DecidedRow",
    "Facts",
    "Finalist",
    "JudgeReport",
    "Result",
    "RowAnswer",
    "StepReport",
    "Taken",
    "Test",
    "pareto",
]
