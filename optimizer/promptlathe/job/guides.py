"""The guide that the runs of an experiment write together: the latest one writes it anew."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from promptlathe.job.job import Job
from promptlathe.job.stores import ledger_url, write_whole
from promptlathe.ledger import Ledger
from promptlathe.records import content_hash
from promptlathe.report.guide.gathered import Guide, gather
from promptlathe.report.languages import LanguageCode
from promptlathe.results import Result
from promptlathe.results.kept import results_of

MARKDOWN, HTML = "guide.md", "guide.html"
"""Their names among the artifacts of a run."""
REPORTS = "../reports/"
"""Where the reports of runs are, seen from the folder of guides."""
_PLAIN = re.compile(r"[^\w.-]+")


def guide_path(state: Path, experiment: str) -> Path:
    """The Markdown file of an experiment's guide; beside it stands its page, `.html`.

    A name that is no file's has its hash at the end, so that two experiments have two files.
    """
    plain = _PLAIN.sub("-", experiment).strip(".-")[:80]
    named = plain if plain == experiment else f"{plain}-{content_hash(experiment)[:6]}"
    return state / "guides" / f"{named}.md"


def guide_of(ledger: Ledger, experiment: str, newest: Result | None = None) -> Guide:
    """Of all results of an experiment, and of the newest, which need not be kept yet."""
    results, unread = results_of(ledger, experiment)
    others = [one for one in results if newest is None or one.run != newest.run]
    return gather(experiment, [*others, *([newest] if newest else [])], unread)


def written(guide: Guide, language: LanguageCode, reports: str = "") -> Mapping[str, str]:
    """The guide's texts by file name; `reports` as in `report.guide.markdown`."""
    from promptlathe.report.guide.html import html
    from promptlathe.report.guide.markdown import markdown
    from promptlathe.report.language import Language

    words = Language(language)
    return {
        MARKDOWN: markdown(guide, words, reports=reports),
        HTML: html(guide, words, reports=reports),
    }


def keep_guide(state: Path, guide: Guide, language: LanguageCode) -> Path:
    """Write it into the state folder; the Markdown file. Raises OSError."""
    path = guide_path(state, guide.experiment)
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = written(guide, language, REPORTS)
    write_whole(path, texts[MARKDOWN])
    write_whole(path.with_suffix(".html"), texts[HTML])
    return path


async def make_guide(job: Job, result: Result) -> tuple[Mapping[str, str], str | None]:
    """The guide's texts with this result, kept as well; and a note, when it could not be made.

    Nothing where the job wants no report. Made beside the event loop; raises nothing.
    """
    if not job.report:
        return {}, None
    return await asyncio.to_thread(_make, job, result, job.report.language)


def _make(job: Job, result: Result, language: LanguageCode) -> tuple[Mapping[str, str], str | None]:
    texts: Mapping[str, str] = {}
    try:
        ledger = Ledger(ledger_url(job))  # its connection is of this thread
        try:
            guide = guide_of(ledger, result.facts.experiment, result)
        finally:
            ledger.close()
        texts = written(guide, language)
        keep_guide(job.state, guide, language)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run has its result
        return texts, f"the guide could not be written: {type(error).__name__}: {error}"
    return texts, None
