"""The spool: what was told comes back as it was, whatever became of the process that told it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.track_samples import BEST, COMPARISON, EXAMPLES, SEED, about, answered, conclusion

from promptlathe import clock
from promptlathe.records import (
    Answer,
    Call,
    Candidate,
    Cell,
    Estimate,
    Example,
    Failure,
    Image,
    Message,
    Outcome,
    Prompt,
    Sent,
    Standing,
    Trace,
)
from promptlathe.track.records import Begun, Candidacy, Curve, Stopped, TestRow
from promptlathe.track.running import lock_of
from promptlathe.track.spool import Content, Spool, Spooled, Taken, waiting

RICH = Candidate(
    (("role", "agent"), ("count", 4), ("temperature", 0.0)),
    {
        "one": Prompt(
            (Message("user", ("Look:\u2028", Image("{{ photo }}", "low")), {"name": "me"}),),
            (("response_format", {"type": "json_schema", "n": [1, None]}),),
        ),
        "two": BEST.prompt,
    },
)
CALL = Call("m", RICH.prompts["one"].messages, (("top_p", 1),), 2, "http://x/v1", "judge", "tone")
SENT = Sent(CALL, Answer("é\n", 1, None, 0.25, tool_calls=({"id": "1"},)), 0.001, cached=True)
FAILED = Sent(CALL, Failure("timeout", "30 s", 1, 2.5))
ODD = Example("odd", {"text": "a\nb", "n": 1.5, "tags": ["x", {"y": None}], "ok": True}, "test")
TOLD: dict[str, Content] = {
    "begun": Begun("sqlite:///x.db", None, about()),
    "candidate": Candidacy(
        Standing(RICH, Estimate(0.1, 0.0, 0.2, 9), "running", 9, None, 0.5, 1, 2, 3, 7), "pareto"
    ),
    "curve": Curve(60, (("progress/score_best", 1, 0.5), ("progress/score_seed", 60, 0.25))),
    "row": TestRow("champion", Outcome(Cell(RICH, ODD, 1), Trace({"a": [1]}, (SENT, FAILED)),
                                       {"f1": 0.5}, 0.5, None, True, rationales={"f1": "so so"})),
    "failed row": TestRow(
        "seed", Outcome(Cell(SEED, ODD), Trace(None, (FAILED,)), failure=Failure("timeout", "x"))
    ),
    "conclusion": conclusion(champion=COMPARISON, aliased={"support-triage": 3}, notes=("a", "b")),
    "without a comparison": conclusion(comparison=None, verdict=None, promote=False),
    "stopped": Stopped("KILLED", "interrupted", {"candidates.json": "{}"}),
}  # fmt: skip


@pytest.mark.parametrize("content", TOLD.values(), ids=TOLD)
def test_a_record_is_read_back_as_it_was_told(tmp_path: Path, content: Content):
    spool = Spool(tmp_path / "spool", "run1")
    spool.append(content)
    (record,) = Spooled(spool.path).read()
    assert record.content == content
    assert repr(record.content) == repr(content)
    spool.close()


def test_a_clock_that_stands_still_gives_each_attempt_a_file(tmp_path: Path):
    """A run that is gone on with at the very moment at which it had begun."""
    with clock.told_by(lambda: datetime(2027, 1, 4, 3, tzinfo=UTC)):
        spools = [Spool(tmp_path, "abc") for _ in range(3)]
    paths = [one.path for one in spools]
    assert sorted(set(paths)) == paths
    assert {Spooled(path).run for path in paths} == {"abc"}
    for one in spools:
        one.close()


def test_records_come_in_order_and_once(tmp_path: Path):
    spool = Spool(tmp_path / "spool", "run1")
    spooled = Spooled(spool.path)
    assert spooled.run == "run1"
    for number in range(3):
        spool.append(Curve(number, ()))
    assert [r.content for r in spooled.read()] == [Curve(n, ()) for n in range(3)]
    assert spooled.read() == []
    spool.append(TOLD["stopped"])
    assert [r.content for r in spooled.read()] == [TOLD["stopped"]]
    assert spool.path.stat().st_mode & 0o077 == 0
    spool.close()


def test_a_line_that_was_torn_by_a_kill_is_not_read_and_makes_way(tmp_path: Path):
    spool = Spool(tmp_path / "spool", "run1")
    spool.append(TOLD["begun"])
    whole = spool.path.read_bytes()
    spool.append(TestRow("best", answered(BEST, EXAMPLES[0], "billing")))
    os.truncate(spool.path, len(whole) + 40)
    spooled = Spooled(spool.path)
    spooled.append(Stopped("KILLED", "torn"))
    assert [r.content for r in spooled.read()] == [TOLD["begun"], Stopped("KILLED", "torn")]
    spool.close()


def test_what_was_taken_is_what_was_noted_last(tmp_path: Path):
    spool = Spool(tmp_path / "spool", "run1")
    spooled = Spooled(spool.path)
    assert spooled.taken == Taken()
    spooled.note(Taken(1, "id", "7"))
    spooled.note(Taken(4, "id", "7", {"seed": "side"}))
    with spool.path.with_suffix(".sent").open("ab") as torn:
        torn.write(b'{"records": 5, "run": "i')
    assert spooled.taken == Taken(4, "id", "7", {"seed": "side"})
    spool.close()


def test_only_what_no_other_run_is_about_to_send_counts_as_waiting(tmp_path: Path):
    for run, records in (("over", 3), ("under-way", 5)):
        spool = Spool(tmp_path / "spool", run)
        for _ in range(records):
            spool.append(Curve(1, ()))
        Spooled(spool.path).note(Taken(1))
        spool.close()
    with lock_of(tmp_path, "under-way"):
        assert waiting(tmp_path).total() == 2
        assert waiting(tmp_path, "under-way").total() == 6
    assert waiting(tmp_path).total() == 6
    assert not waiting(tmp_path / "elsewhere")
