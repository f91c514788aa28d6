"""What is under test: from a candidate's prompts and a row, through calls, to an output.

prompt      one chat call; the default
steps       several prompts, one after the other, each with the outputs before it
function    a function of yours
"""

from promptlathe.targets.function import FunctionTarget, target
from promptlathe.targets.prompt import PromptTarget
from promptlathe.targets.steps import StepsTarget

__all__ = ["FunctionTarget", "PromptTarget", "StepsTarget", "target"]
