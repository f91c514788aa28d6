"""A job: a run file made executable.

job     what is to be done, as data
plan    worked out and checked, before anything is sent
run     from the first call to the result; `loop` is the one loop
"""

from promptlathe.job.job import Job
from promptlathe.job.plan import Plan, make_plan
from promptlathe.job.run import check, run
from promptlathe.results import Result

__all__ = ["Job", "Plan", "Result", "check", "make_plan", "run"]
