"""What is known of a job's judges: their calibrations, kept in the state folder.

judges/OBJECTIVE.NAME.KEY.json    KEY changes with the judge's text, what it sees, and its model
"""

import json
from collections.abc import Iterator
from pathlib import Path

from promptlathe.job.job import Job
from promptlathe.job.stores import make_state
from promptlathe.records import content_hash
from promptlathe.results import JudgeReport
from promptlathe.scoring.calibration import Calibration
from promptlathe.scoring.judging import Judge
from promptlathe.scoring.judging.judge import Asking
from promptlathe.whole_files import write_whole

FOLDER = "judges"


def judge_reports(job: Job) -> tuple[JudgeReport, ...]:
    """One for each judge of the job."""
    weights = job.objective.weights
    return tuple(
        _report(job, scorer, abs(weights.get(scorer.name, 0.0)))
        for scorer in job.objective.scorers
        if isinstance(scorer, Asking)
    )


def keep(job: Job, calibration: Calibration) -> Path:
    """Write it down; the path."""
    make_state(job.state)
    path = _file(job, calibration.judge, calibration.key)
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(calibration.to_dict(), ensure_ascii=False, indent=2) + "\n"
    write_whole(path, text)
    return path


def key_of(job: Job, judge: Asking) -> str:
    """What decides its verdicts, as a content hash."""
    model = job.scorer
    fingerprint = judge.fingerprint(job.objective.surroundings)
    asked = [model.name, model.endpoint, model.api, model.parameters]
    return content_hash([fingerprint, *asked])


def _report(job: Job, judge: Asking, weight: float) -> JudgeReport:
    found = _load(_file(job, judge.name, key_of(job, judge)))
    if found:
        return JudgeReport(judge.name, "calibrated", found, weight)
    earlier = next(_others(job, judge), None) if isinstance(judge, Judge) else None
    return JudgeReport(judge.name, "changed" if earlier else "not calibrated", weight=weight)


def _file(job: Job, name: str, key: str) -> Path:
    return job.state / FOLDER / f"{job.objective.name}.{name}.{key}.json"


def _others(job: Job, judge: Asking) -> Iterator[Path]:
    return (job.state / FOLDER).glob(f"{job.objective.name}.{judge.name}.*.json")


def _load(path: Path) -> Calibration | None:
    """None where there is none that can be read: it is made again."""
    try:
        return Calibration.from_dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
