"""The resolved run file: everything that decided a run, in one file that runs by itself."""

from typing import TYPE_CHECKING, Any

from promptlathe import documents
from promptlathe.errors import InputError

if TYPE_CHECKING:
    from promptlathe.job.job import Job


def resolved(job: "Job") -> str:
    """YAML with space and objective written out and every default named; no keys, no secrets."""
    budget = job.budget
    limits = {
        name: value
        for name in ("calls", "tokens", "usd", "minutes")
        if (value := getattr(budget, name)) is not None
    }
    content: dict[str, Any] = {
        "space": job.space.to_dict(),
        "objective": _objective(job),
        "model": job.model.model_dump(mode="json", exclude_none=True),
        "prices": job.prices.model_dump(mode="json"),
        "budget": limits,
        "search": job.search.model_dump(mode="json"),
        "parallel": job.parallel.model_dump(mode="json"),
        "track": job.track.model_dump(mode="json", exclude_none=True) if job.track else False,
    }
    return documents.to_yaml(content)


def _objective(job: "Job") -> Any:
    """With an absolute path, so that the file can be run from anywhere."""
    try:
        content = job.objective.to_dict()
    except InputError:  # a scorer that is a Python function has no YAML form
        return f"{job.objective.name} (made in Python)"
    dataset = content.get("dataset")
    if isinstance(dataset, str) and not dataset.startswith("hf:"):
        content["dataset"] = str((job.objective.folder / dataset).resolve())
    return content
