"""From a prompt and a table of rows to a task: a space, an objective and a run file.

    prompts ─┐
             ├─ fields ─ answers ─ space, objective, run file ─ writing
    tables ──┘

What is found is said in notes, what is not clear is one error that lists the choices.
"""

from promptlathe.drafting.task import Task, draft, init

__all__ = ["Task", "draft", "init"]
