"""Run file to Job; the one loop."""

from promptlathe.job.job import Job
from promptlathe.job.result import Result

__all__ = ["Job", "Result"]
