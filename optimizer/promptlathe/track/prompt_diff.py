"""The page `prompt_diff.html`: what the best prompt changed, word by word. It needs no scripts."""

from collections.abc import Mapping
from html import escape

from promptlathe.records import Prompt
from promptlathe.report.worddiff import word_diff
from promptlathe.track.artifacts import prompts_text

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }}
body {{ margin: 1em auto; max-width: 50em; padding: 0 1em }}
pre {{ font: 13px/1.6 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }}
ins, del {{ border-radius: 2px }}
ins {{ background: #d4f4d7; color: #0b3d12 }}
del {{ background: #fde0e0; color: #6b0f0f }}
@media (prefers-color-scheme: dark) {{
  ins {{ background: #12401a; color: #c9f2cf }}
  del {{ background: #56171a; color: #fbd3d3 }}
}}
</style>
<h1>{title}</h1>
<p>{legend}</p>
<pre>{text}</pre>
</html>
"""
TITLE = "From the seed to the best prompt"
LEGEND = "<del>Struck out</del>: only in the seed. <ins>Underlined</ins>: only in the best prompt."
EQUAL = "They are the same prompt."
TAGS = {"kept": "{}", "removed": "<del>{}</del>", "added": "<ins>{}</ins>"}


def prompt_diff(seed: Mapping[str, Prompt], best: Mapping[str, Prompt]) -> str:
    """HTML, in which nothing of the prompts is markup."""
    pieces = word_diff(prompts_text(seed), prompts_text(best))
    same = all(change == "kept" for change, _ in pieces)
    text = "".join(TAGS[change].format(escape(text)) for change, text in pieces)
    return PAGE.format(title=TITLE, legend=EQUAL if same else LEGEND, text=text)
