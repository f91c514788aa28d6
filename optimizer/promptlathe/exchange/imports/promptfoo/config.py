"""A whole configuration of promptfoo."""

from pathlib import Path
from typing import Any

from promptlathe.documents import Document
from promptlathe.errors import InputError
from promptlathe.exchange.imports.draft import Draft, Lost, Names
from promptlathe.exchange.imports.promptfoo.assertions import scored
from promptlathe.exchange.imports.promptfoo.prompts import read_prompts
from promptlathe.exchange.imports.promptfoo.providers import read_providers
from promptlathe.exchange.imports.promptfoo.tests import read_tests
from promptlathe.exchange.imports.templates import Reading

READ = ("prompts", "providers", "targets", "tests", "defaultTest", "description", "evaluateOptions")
SILENT = ("$schema", "outputPath", "sharing", "tags", "metadata", "writeLatestResults")
"""Keys that say nothing to a run."""
MOST_AT_ONCE = 4096


def read_promptfoo(document: Document) -> Draft:
    """Raises InputError for what is no configuration, and for one without a prompt that can be
    read. Nothing that it names is executed."""
    data: Any = document.data
    path = document.path or Path("promptfooconfig.yaml")
    if not isinstance(data, dict):
        raise InputError(
            "is empty" if data is None else "is no configuration of promptfoo",
            str(path),
            "a configuration has the keys prompts, providers and tests",
        )
    reading = Reading(Names())
    lost = [
        Lost(f"the key {key!r}", document.where((key,)))
        for key in data
        if key not in READ and key not in SILENT
    ]
    prompts = read_prompts(document, reading)
    if not reading.names.known:
        raise InputError(
            "no prompt shows a variable: every row would get the same prompt",
            prompts[0].where,
            "write one in double braces, such as {{ question }}",
        )
    model, kept = read_providers(document, lost)
    made = scored(read_tests(document, lost), reading, lost)
    if not made.rows:
        lost.append(Lost("no test is there, or none can be used", document.where(("tests",))))
    options: Any = data.get("evaluateOptions") or {}
    more: dict[str, Any] = {}
    for key, value in options.items() if isinstance(options, dict) else ():
        if key == "maxConcurrency" and isinstance(value, int) and 1 <= value <= MOST_AT_ONCE:
            more["parallel"] = {"concurrency": value}
        elif key not in ("showProgressBar", "cache"):
            lost.append(Lost(f"the option {key!r}", document.where(("evaluateOptions", key))))
    renamed = [f"the variable {o!r} is called {n!r}" for o, n in reading.names.changed.items()]
    name = path.stem
    if name in ("promptfooconfig", "config"):
        name = path.resolve().parent.name or name
    return Draft(
        name=name,
        source=path.name,
        prompts=prompts,
        model=model,
        more=more,
        rows=made.rows,
        scorers=made.scorers,
        goal=made.goal,
        limits=made.limits,
        labels=made.labels,
        kept=(*kept, *made.kept, *renamed),
        lost=(*reading.lost, *lost),
    )
