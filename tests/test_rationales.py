"""Why answers lost points reaches whoever writes new texts, of every kind of scorer."""

from pathlib import Path

import promptlathe as pl
from promptlathe.job import Job, run
from promptlathe.job.runfile import SearchOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.scoring import banned, function, length, required
from promptlathe.testing.scripted import ScriptedServer

ROWS = [{"text": f"Where is parcel {i}?", "must": [f"parcel {i}"]} for i in range(40)]
ANSWER = "We guarantee that it comes soon."


def cold(row: dict[str, object], output: str) -> tuple[float, str]:
    """Says why, too."""
    return float("sorry" in output), f"no word of regret about {row['must']}"


def test_reasons_of_all_scorers_stand_beside_the_rows_that_went_wrong(tmp_path: Path) -> None:
    scorers = [length(max=3), banned(["guarantee"]), required("must"), function(cold)]
    space = pl.SearchSpace(
        messages={"system": "{{ task }}", "user": "{{ text }}"},
        components={"task": pl.Text("Answer the customer.", rewrite=True)},
    )
    with ScriptedServer(
        [("<new>", "<new>Answer in a friendly way.</new>"), ("", ANSWER)]
    ) as server:
        job = Job(
            space=space,
            objective=pl.Objective(
                ROWS, scorers=scorers, goal="maximize length + banned + required + cold"
            ),
            model=ModelSettings(name="m", base_url=server.base_url, max_tokens=50, retries=0),
            search=SearchOptions(operators=("rewrite",)),
            budget=pl.Budget(calls=110),
            track=False,
            workspace=tmp_path,
        )
        run(job)
    (asked, *_) = [a.prompt for a in server.arrived if "<new>" in a.prompt]
    assert "Why, says length: 6 words: at most 3 wanted" in asked
    assert 'Why, says banned: must not stand there: "guarantee"' in asked
    assert 'Why, says required: missing: "parcel ' in asked
    assert "Why, says cold: no word of regret about ['parcel " in asked
