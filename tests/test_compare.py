"""Answers side by side: in both orders, against the seed's, the champion's or one of the row."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.orders import ROWS, check_account, ledger_roles, model
from tests.outcomes import scored

from promptlathe.errors import InputError
from promptlathe.job import Job, check, run
from promptlathe.records import Failure
from promptlathe.runtime.seam import CallFailed
from promptlathe.scoring import Objective, compare
from promptlathe.testing.contexts import Asked, ScriptedContext
from promptlathe.testing.scripted import Arrived, ScriptedServer

REPLIES = [{"text": f"Question {i}?", "reply": "Old answer."} for i in range(20)]
KINDER = compare("The kinder one is better.", against="reply")


def outcome_of(answers: Any, output: str = "New answer.", scorer: Any = KINDER) -> Any:
    """And what was asked. answers: of the judge, by what stands as output 1."""
    objective = Objective(REPLIES, scorer=scorer)

    def answer(asked: Asked) -> str:
        first = asked.prompt.partition("# Output 1\n")[2].partition("\n")[0]
        return answers(first)

    ctx = ScriptedContext(answer)
    return scored(objective, objective.examples("select")[0], output, ctx), ctx.asked


def better(one: str) -> Any:
    """Says where that one stands."""
    return lambda first: json.dumps({"rationale": "Kind.", "level": "1" if first == one else "2"})


@pytest.mark.parametrize(
    ("answers", "value", "told"),
    [
        (better("New answer."), 1, "better: Kind."),
        (better("Old answer."), 0, "worse: Kind."),
        (lambda first: '{"level": "1"}', 0.5, "a tie: the verdict flips with the order"),
        (lambda first: '{"level": "2"}', 0.5, "a tie: the verdict flips with the order"),
        (lambda first: "No difference.\ntie", 0.5, "a tie: No difference."),
        (lambda first: "tie" if first.startswith("New") else "2", 0.75, "better"),
    ],
)
def test_both_orders_count(answers: Any, value: float, told: str) -> None:
    outcome, asked = outcome_of(answers)
    assert outcome.value == value
    assert outcome.rationales == {"compare": told}
    assert len(asked) == 2
    assert {one.role for one in asked} == {"judge"}
    assert '"reply"' not in asked[0].prompt, "the other answer is no part of the row"


def test_the_same_answer_is_a_tie_without_a_call() -> None:
    outcome, asked = outcome_of(better("?"), "Old answer. ")
    assert (outcome.value, asked) == (0.5, [])


def test_a_verdict_that_cannot_be_read_is_no_score() -> None:
    outcome, _ = outcome_of(lambda first: "Hm." if first.startswith("New") else "tie")
    assert outcome.value is None


def test_in_french() -> None:
    scorer = compare("La réponse la plus aimable est la meilleure.", against="reply")
    objective = Objective(REPLIES, scorer=scorer)
    ctx = ScriptedContext(lambda _: "égalité")
    assert scored(objective, objective.examples("select")[0], "Oui.", ctx).value == 0.5
    assert "Vous comparez deux réponses" in ctx.asked[0].prompt


def test_by_the_decisions_api_both_orders_are_one_request() -> None:
    objective = Objective(REPLIES, scorer=KINDER).judged_by("decisions")

    def answer(asked: Asked) -> str:
        first, second = dict(asked.request.parameters)["questions"]
        assert first["instructions"].index("New") < first["instructions"].index("Old")
        assert second["instructions"].index("Old") < second["instructions"].index("New")
        chances = [{"1": 0.6, "tie": 0.2, "2": 0.2}, {"1": 0.4, "2": 0.6}]
        given = [
            {
                "type": "score",
                "probabilities": [{"label": k, "probability": p} for k, p in c.items()],
            }
            for c in chances
        ]
        return json.dumps(given)

    ctx = ScriptedContext(answer)
    outcome = scored(objective, objective.examples("select")[0], "New answer.", ctx)
    assert outcome.value == pytest.approx((0.7 + 0.6) / 2)
    assert len(ctx.asked) == 1


def test_outside_of_a_run_there_is_no_seed() -> None:
    outcome, _ = outcome_of(better("?"), scorer=compare("Kinder"))
    assert "there is no seed to compare with" in outcome.failure.detail


class Fails:
    id = "x"

    async def output(self, example: Any, ctx: Any, step: Any) -> Any:
        raise CallFailed(Failure("context_length", "too long"))


def test_a_rival_without_an_answer_loses() -> None:
    objective = Objective(REPLIES, scorer=compare("Kinder")).against({"seed": Fails()})
    outcome = scored(objective, objective.examples("select")[0], "New answer.")
    assert outcome.value == 1
    assert outcome.rationales == {"compare": "the seed gave no answer"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{against: reply}", "a comparison needs a rubric"),
        ("{rubric: R, against: repl}", "did you mean 'reply'"),
        ("{rubric: R, against: [seed]}", "a text"),
        ("{rubric: R, levels: [a, b]}", "unknown key 'levels'"),
        ("{rubric: R, agianst: seed}", "did you mean 'against'"),
    ],
)
def test_what_is_wrong_is_said(entry: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, REPLIES)))
    file = tmp_path / "objective.yaml"
    file.write_text(f"dataset: rows.jsonl\nscorers:\n  - compare: {entry}\n")
    with pytest.raises(InputError, match=said):
        Objective.load(file).check()


# Runs

SPACES = {
    "one": """
messages: {user: "{{ tone }} Message: {{ message }}"}
components: {tone: {choice: {none: null, kind: Be kind., short: Be brief.}}}
""",
    "note": 'messages: {user: "Note: {{ message }}"}\ncomponents: {}\n',
    "reply": """
messages: {user: "{{ tone }} Reply to {{ note }} Message: {{ message }}"}
components: {tone: {choice: {none: null, kind: Be kind.}}}
""",
}
PARTS = {
    "one": "space: one.yaml",
    "chain": "steps: {note: {space: note.yaml}, reply: {space: reply.yaml}}",
}
FACTS = """
dataset: rows.jsonl
splits: {train: 0.1, select: 0.4, test: 0.5}
scorers:
  - compare: {rubric: The kinder one is better., against: AGAINST, question: message}
"""


def job(folder: Path, server: ScriptedServer, part: str, **more: Any) -> Job:
    rows = "\n".join(json.dumps(dict(row)) for row in ROWS)
    given = {
        "model": model(server),
        "judge": model(server, "critic"),
        "budget": {"calls": 400},
        "parallel": {"concurrency": 4},
        "track": False,
        **more,
    }
    made = "\n".join([PARTS[part], "objective: objective.yaml", *_lines(given)])
    facts = FACTS.replace("AGAINST", more.get("against", "seed"))
    files = {"rows.jsonl": rows, "objective.yaml": facts, "run.yaml": made}
    files |= {f"{name}.yaml": text for name, text in SPACES.items()}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return Job.load(folder / "run.yaml")


def _lines(given: dict[str, Any]) -> list[str]:
    return [f"{name}: {json.dumps(one)}" for name, one in given.items() if name != "against"]


def clerk(arrived: Arrived) -> str:
    if arrived.body["model"] != "critic":
        return "So sorry!" if "Be kind" in arrived.prompt else "No."
    first, _, second = arrived.prompt.partition("# Output 1\n")[2].partition("# Output 2\n")
    kind = ["sorry" in one for one in (first, second)]
    level = "tie" if kind[0] == kind[1] else "1" if kind[0] else "2"
    return json.dumps({"rationale": "One is kind.", "level": level})


@pytest.mark.parametrize("part", ["one", pytest.param("chain", marks=pytest.mark.slow)])
def test_a_run_against_the_seed(tmp_path: Path, part: str) -> None:
    """Its answers are its own cells: nothing is asked twice, and no candidate pays for them."""
    with ScriptedServer(clerk) as server:
        made = job(tmp_path, server, part)
        assert check(made).calls_per_cell == {"one": 3, "chain": 4}[part]
        result = run(made)
    tones = {name: level for name, level in result.best.levels.items() if "tone" in name}
    assert list(tones.values()) == ["kind"]
    assert (result.test.seed, result.test.best) == (0.5, 1)
    used = check_account(result, server, calls=400)
    assert ledger_roles(tmp_path) == {role: used[role] for role in ("task", "judge")}
    asked = Counter(arrived.prompt for arrived in server.arrived if "# Output 1" in arrived.prompt)
    assert max(asked.values()) == 1
    best = next(s for s in result.standings if s.candidate.id == result.best.candidate)
    words = {"one": 30, "chain": 60}[part]
    assert best.tokens is not None
    assert best.tokens / best.cells < words, "of its own calls only"


@pytest.mark.slow
def test_a_step_is_compared_with_the_same_step(tmp_path: Path) -> None:
    def answers(arrived: Arrived) -> str:
        if arrived.prompt.startswith("Note: "):
            return "A long note." if "Be exact" in arrived.prompt else "A note."
        if arrived.body["model"] != "critic":
            return "No."
        first, _, second = arrived.prompt.partition("# Output 1\n")[2].partition("# Output 2\n")
        assert {first.strip(), second.strip()} == {"A note.", "A long note."}
        return json.dumps({"level": "1" if "long" in first else "2"})

    with ScriptedServer(answers) as server:
        job(tmp_path, server, "chain")
        note = 'messages: {user: "Note: {{ how }} {{ message }}"}\n'
        levels = "components: {how: {choice: {none: null, exact: Be exact.}}}\n"
        (tmp_path / "note.yaml").write_text(note + levels)
        text = (tmp_path / "objective.yaml").read_text()
        (tmp_path / "objective.yaml").write_text(text.replace("against: seed", "step: note"))
        result = run(Job.load(tmp_path / "run.yaml"))
    assert result.best.levels["note.how"] == "exact"
    assert result.test.best == 1


def test_a_champion_that_nobody_registers(tmp_path: Path) -> None:
    with ScriptedServer(clerk) as server:
        made = job(tmp_path, server, "one", against="champion")
        with pytest.raises(InputError, match="nothing is registered: track is false"):
            check(made)


@pytest.mark.slow
def test_a_run_against_the_champion(tmp_path: Path, tracked: Any) -> None:
    """The seed stands for it as long as there is none."""
    with ScriptedServer(clerk) as server:
        made = job(tmp_path, server, "one", against="champion", track={"prompt": "replies"})
        first = run(made)
        assert first.verdict == "better"
        assert first.promoted
        again = run(Job.load(tmp_path / "run.yaml"))
    assert again.test_champion is not None
    assert again.verdict == "no significant gain"
    assert again.test.best == 0.5, "the best is the champion, which it is compared with"
