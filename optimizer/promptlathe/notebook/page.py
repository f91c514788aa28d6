"""A result as HTML, for a notebook: escaped, small, without scripts."""

from collections.abc import Iterable
from html import escape

from promptlathe.notebook.summary import headline, spent
from promptlathe.records import Prompt
from promptlathe.report.worddiff import word_diff
from promptlathe.results import Result, Test
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.visible import visible

LONGEST, EFFECTS, NAME = 6_000, 6, 80
"""Characters of a message, effects, and characters of a name."""
COLOURS = {"better": "#1a7f4b", "worse": "#b3382c"}
CELL = 'style="text-align:left;padding:2px 12px 2px 0"'
CHANGED = {
    "kept": "{}",
    "removed": '<del style="color:#b3382c">{}</del>',
    "added": '<ins style="color:#1a7f4b;text-decoration:underline">{}</ins>',
}


def page(result: Result) -> str:
    """Verdict, numbers, the recommended prompt with what changed, what works, cost, notes."""
    colour = COLOURS.get(result.verdict, "inherit")
    parts = [
        f'<p style="font-size:1.15em;font-weight:600;color:{colour}">{_text(headline(result))}</p>',
        _numbers(result),
        _prompts(result),
        _works(result),
        f"<p>Spent: {_text(spent(result))}. Answers: {_text(str(result.answers))}.</p>",
        _notes(result),
        _links(result),
    ]
    return f'<div class="promptlathe-result">{"".join(filter(None, parts))}</div>'


def _numbers(result: Result) -> str:
    tests = [("seed", result.test)]
    tests += [("champion", result.test_champion)] if result.test_champion else []
    head = ("compared with", "its score", "best", "gain", "95 % interval", "held-out rows")
    return _table(head, [_figures(rival, test) for rival, test in tests])


def _figures(rival: str, test: Test) -> tuple[str, ...]:
    low, high = test.interval
    return (
        rival,
        f"{test.seed:.3f}",
        f"{test.best:.3f}",
        f"{test.gain:+.3f}",
        f"{low:+.3f} to {high:+.3f}",
        str(test.examples),
    )


def _prompts(result: Result) -> str:
    chosen, same = result.chosen, result.recommended == "seed"
    why = "" if result.recommended == "best" else f": {result.reason}"
    told = "the same as before" if same else "what is new against the seed is underlined"
    head = f"Recommended: the {result.recommended} prompt{why} ({told})"
    shown = "".join(
        _prompt(name if len(chosen.prompts) > 1 else "", prompt, result.seed.prompts.get(name))
        for name, prompt in chosen.prompts.items()
    )
    return f"<details open><summary>{_text(head)}</summary>{shown}</details>"


def _prompt(name: str, prompt: Prompt, seed: Prompt | None) -> str:
    before = [(one.role, one.text) for one in seed.messages] if seed else []
    blocks: list[str] = []
    for index, message in enumerate(prompt.messages):
        known = before[index][1] if index < len(before) else ""
        pieces = word_diff(known[:LONGEST], message.text[:LONGEST])
        text = "".join(CHANGED[change].format(_text(piece)) for change, piece in pieces)
        more = " …" if len(message.text) > LONGEST else ""
        title = f"{name}, {message.role}" if name else message.role
        blocks.append(
            f'<div><b>{_text(title)}</b><pre style="white-space:pre-wrap;margin:0 0 .6em">'
            f"{text}{more}</pre></div>"
        )
    return "".join(blocks)


def _works(result: Result) -> str:
    clear = sorted((c for c in result.found_in_best if c.clear), key=lambda c: -abs(c.effect))
    if not clear:
        return ""
    head = ("What works in the best prompt", "over", "points", "95 % interval")
    return _table(head, map(_effect, clear[:EFFECTS]))


def _effect(one: Contrast) -> tuple[str, ...]:
    level, over = (_cut(str(name)) for name in (f"{one.component}: {one.level}", one.over))
    return level, over, f"{one.effect:+.1f}", f"{one.low:+.1f} to {one.high:+.1f}"


def _notes(result: Result) -> str:
    if not result.notes:
        return ""
    listed = "".join(f"<li>{_text(note)}</li>" for note in result.notes)
    return f"<details><summary>{len(result.notes)} notes</summary><ul>{listed}</ul></details>"


def _links(result: Result) -> str:
    named = [f"prompts:/{name}/{version}" for name, version in result.registered.items()]
    kept = [f"run {result.run}"]
    kept += [f"MLflow run {result.run_id}"] if result.run_id else []
    kept += [f"champion {' and '.join(named)}"] if named else []
    return f'<p style="opacity:.75">{_text("; ".join(kept))}</p>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f'<th scope="col" {CELL}>{_text(one)}</th>' for one in head)
    lines = "".join(
        "<tr>" + "".join(f"<td {CELL}>{_text(one)}</td>" for one in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"


def _text(text: str) -> str:
    return escape(visible(text))


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= NAME else f"{line[: NAME - 1]}…"
