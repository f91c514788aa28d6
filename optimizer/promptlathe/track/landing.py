"""Where a colleague lands: how runs are named, what leads to them, and which columns show.

An experiment opens on MLflow's page of usage figures. Above it, as above every page of the
experiment, stands the first line of its description; the runs' table shows no metrics by itself.
So the description's first line leads to the latest optimization, and to a view of the table that
has the columns. Both are tags of the experiment; links are relative to MLflow's page.
"""

import json
from collections.abc import Collection, Mapping
from urllib.parse import quote

from promptlathe.track.backend import Backend
from promptlathe.track.records import About, Conclusion

NOTE = "mlflow.note.content"
"""Tag with a description, of a run or an experiment."""
VIEW = "promptlathe"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
"""Tag with a view that MLflow offers under *Views*, as its own page writes them."""
COLUMNS = (
    "metrics.`test_seed`",
    "metrics.`test_best`",
    "metrics.`test_gain`",
    "tags.`promptlathe.verdict`",
    "tags.`promptlathe.recommended`",
)
"""What the view shows besides name, age and duration."""
PAGES: Mapping[str, str] = {
    "report.html": "report",
    "prompt_diff.html": "what changed in the prompt",
    "guide.html": "guide",
}
"""Artifacts that are pages to read, and what links call them."""
OURS = "<!-- Written anew by each run of promptlathe down to this line; add yours below it. -->"


def outcome(conclusion: Conclusion) -> str:
    """What came out, in a few letters: a table's column cuts the rest."""
    against = conclusion.decisive
    if against is None or conclusion.verdict is None:
        return "not compared"
    return f"{against.baseline:.2f} → {against.challenger:.2f} {conclusion.verdict}"


def links(experiment: str, run: str, files: Collection[str], prompts: Collection[str]) -> str:
    """Markdown: to those pages that are among a run's files, and to registered prompts."""
    at = f"#/experiments/{experiment}"
    found = [
        f"[{name}]({at}/runs/{run}/artifacts/{file})"
        for file, name in PAGES.items()
        if file in files
    ]
    found += [f"[prompt {name}]({at}/prompts/{quote(name)})" for name in prompts]
    return " · ".join(found)


def describe_experiment(
    backend: Backend, experiment: str, run: str, about: About, conclusion: Conclusion, more: str
) -> None:
    """Lead to this run, unless a later one has a result; what people wrote stays below.

    more: links that follow.
    """
    known = backend.client.get_experiment(experiment).tags
    if VIEW_TAG not in known:
        backend.client.set_experiment_tag(experiment, VIEW_TAG, _view(about.began))
    latest = backend.client.search_runs(
        [experiment],
        "tags.`promptlathe.kind` = 'optimization' and tags.`promptlathe.verdict` != ''",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    if latest and latest[0].info.run_id != run:
        return
    at = f"#/experiments/{experiment}"
    first = f"Latest optimization: [{outcome(conclusion)}]({at}/runs/{run})"
    table = f"[all optimizations]({at}/runs?viewStateShareKey={VIEW})"
    note = " · ".join(part for part in (first, more, table) if part)
    _, ours, theirs = known.get(NOTE, "").partition(OURS)
    if not ours:
        theirs = f"\n\n{known[NOTE]}" if known.get(NOTE) else ""
    backend.client.set_experiment_tag(experiment, NOTE, f"{note}\n\n{OURS}{theirs}")


def _view(at: int) -> str:
    """The state of MLflow's table of runs: optimizations only, the latest first."""
    state = {
        "searchFilter": "tags.`promptlathe.kind` = 'optimization'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": COLUMNS,
    }
    entry = {"name": "Optimizations", "createdAt": at, "updatedAt": at, "state": json.dumps(state)}
    return json.dumps(entry)
