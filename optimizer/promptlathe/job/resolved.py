"""The resolved run file: everything that decided a run, in one file that runs by itself."""

from typing import Any

from promptlathe import documents
from promptlathe.data.dataset import HF
from promptlathe.data.mlflow_rows import MLFLOW
from promptlathe.data.splits import SPLITS
from promptlathe.errors import InputError
from promptlathe.job.job import Job
from promptlathe.job.runfile import TrackOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.space import JoinedSpace


def resolved(job: Job) -> str:
    """YAML with space and objective written out and every default named; no keys, no secrets."""
    others = {"rewriter": job.rewriter, "judge": job.judge}
    content: dict[str, Any] = {
        **_space(job),
        "objective": _objective(job),
        "model": _model(job.model),
        **{role: _model(settings) for role, settings in others.items() if settings},
        "prices": job.prices.model_dump(mode="json"),
        "budget": job.budget.limits,
        "search": job.search.model_dump(mode="json"),
        "parallel": job.parallel.model_dump(mode="json"),
        "track": _track(job.track) if job.track else False,
        "report": job.report.model_dump(mode="json") if job.report else False,
    }
    return documents.to_yaml(content)


def _track(track: TrackOptions) -> dict[str, Any]:
    shown = track.uri and documents.shown_url(track.uri)
    return track.model_copy(update={"uri": shown}).model_dump(mode="json", exclude_none=True)


def _model(settings: ModelSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_none=True)


def _space(job: Job) -> dict[str, Any]:
    """`space`, or `steps` and `output`; and the target, where it is a function."""
    declared = job.space.to_dict()
    if not isinstance(job.space, JoinedSpace):
        return {"space": declared}
    for step, settings in job.step_models.items():
        declared["steps"][step]["model"] = _model(settings)
    return declared


def _objective(job: Job) -> Any:
    """With absolute paths, so that the file can be run from anywhere."""
    try:
        content = job.objective.to_dict()
    except InputError:  # a scorer that is a Python function has no YAML form
        return f"{job.objective.name} (made in Python)"
    folder = job.objective.folder

    def located(given: Any) -> Any:
        """A path, or `file.py:function`; anything else as it is."""
        return str((folder / given).resolve()) if isinstance(given, str) else given

    parts = content.get("splits", {})
    named = [(content, "dataset"), (content, "feedback"), *((parts, split) for split in SPLITS)]
    for part, name in named:
        if name in part and not str(part[name]).startswith((HF, MLFLOW)):
            part[name] = located(part[name])
    content["scorers"] = [
        {"function": {**entry["function"], "path": located(entry["function"]["path"])}}
        if isinstance(entry, dict) and "function" in entry
        else located(entry)
        for entry in content["scorers"]
    ]
    return content
