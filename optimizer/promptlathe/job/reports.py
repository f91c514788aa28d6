"""The report that a run leaves: where it is, and how it is made without holding anything up."""

import asyncio
from pathlib import Path

from promptlathe.job.job import Job
from promptlathe.job.stores import write_whole
from promptlathe.report.languages import LanguageCode
from promptlathe.results import Result

FILE = "report.html"
"""Its name among the artifacts of the run."""


def report_path(state: Path, run: str) -> Path:
    """Where the report of a run is, below the state folder; the file need not be there."""
    return state / "reports" / f"{run}.html"


async def make_report(job: Job, result: Result) -> tuple[str | None, str | None]:
    """The report's HTML, which is kept as well; and a note, when it could not be made or kept.

    None and None where the job wants no report. Made beside the event loop; raises nothing.
    """
    if not job.report:
        return None, None
    return await asyncio.to_thread(_make, job.state, result, job.report.language)


def _make(state: Path, result: Result, language: LanguageCode) -> tuple[str | None, str | None]:
    page = None
    try:
        from promptlathe.report.page import report_page

        page = report_page(result, language, pictures=drawn(state, result.run))
        keep_report(report_path(state, result.run), page)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run has its result
        return page, f"the report could not be written: {type(error).__name__}: {error}"
    return page, None


def drawn(state: Path, run: str) -> bool:
    """The run has a page of pictures."""
    return (state / "pictures" / f"{run}.html").exists()


def keep_report(path: Path, page: str) -> None:
    """Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)
