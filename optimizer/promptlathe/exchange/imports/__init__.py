"""Prompts of other tools as space, objective and run file.

draft        what was read, whatever tool it is from, and what was lost
templates    other template languages as ours
promptfoo/, prompty, langfuse, langsmith    the tools
sharing      several prompts as levels of one space
writing      the files
sources      which tool a source is from
"""

from promptlathe.exchange.imports.draft import Draft, Lost
from promptlathe.exchange.imports.sources import KINDS, read
from promptlathe.exchange.imports.writing import Made, write

__all__ = ["KINDS", "Draft", "Lost", "Made", "read", "write"]
