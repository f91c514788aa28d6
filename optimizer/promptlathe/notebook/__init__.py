"""A run as people meet it in a notebook: progress while it runs, and a result that shows itself.

result    a job's result, with summary, HTML and charts; results that were kept
summary   as a text of one screen
page      as HTML
charts    as matplotlib figures
progress  widgets, or lines
"""

from promptlathe.notebook.progress import progress_of
from promptlathe.notebook.result import Result, load_result

__all__ = ["Result", "load_result", "progress_of"]
