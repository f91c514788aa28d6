"""benchmarks/peers.py as far as it goes without the other optimizers."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest
from aiohttp import ClientSession

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import peers  # noqa: E402
from lab.peers.cases import demos_only, maths, support_triage  # noqa: E402
from lab.peers.compare import Bench, PeerFailed, Run, child, table  # noqa: E402
from lab.peers.counting import CountingServer, Counts, counting_server  # noqa: E402
from lab.peers.reading import reader  # noqa: E402
from lab.peers.task import PROPOSAL_KEY, TASK_KEY, Order, Task  # noqa: E402
from promptlathe.errors import InputError  # noqa: E402
from promptlathe.space import BoundSpace, render  # noqa: E402

CASE = support_triage(Path())
TASK = CASE.task()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--python", "no-such-python"], "no such interpreter: no-such-python"),
        (["--peers", "mipro"], "did you mean 'miprov2'"),
        (["--tasks", "triage"], "unknown name 'triage'"),
        (["--peers", "lathe", "--calls", "10"], "10 is too few"),
        (["--peers", "lathe", "--seeds", "0"], "not positive"),
        (["--peers", "lathe", "--json", "missing/out.json"], "no such folder"),
        (["--peers", "lathe", "--tasks", "banking77", "--data", "missing"], "nothing to run on"),
    ],
)
def test_bad_options(options: list[str], message: str):
    with pytest.raises(InputError) as caught:
        peers.bench(options)
    assert message in str(caught.value)


def test_bad_options_are_one_message():
    command = [sys.executable, str(BENCHMARKS / "peers.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "--python: missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_start_from_the_same_prompt():
    texts = [str(e.row["text"]) for e in CASE.objective.examples("test")[:3]]
    bounds = [CASE.bound, BoundSpace(demos_only(CASE, TASK), CASE.objective.examples("train"))]
    for text in texts:
        given = TASK.messages(TASK.instruction, (), text)
        for bound in bounds:
            sent = render(bound.seed.prompt, {"text": text})
            assert [(m.role, m.content) for m in sent] == given


def test_demos_look_as_in_the_space():
    bound = BoundSpace(demos_only(CASE, TASK), CASE.objective.examples("train"))
    levels = {"demos.count": 2, "demos.select": "random", "demos.order": "drawn", "demos.draw": 0}
    found = bound.candidate(levels).prompt.messages[1].content
    shown = [pair for pair in TASK.train if f"Ticket: {pair[0]}\nTeam: {pair[1]}\n" in found]
    assert len(shown) == 2
    layouts = [TASK.messages("", pairs)[1][1] for pairs in (shown, shown[::-1])]
    assert found in layouts


def test_peers_never_see_the_test_rows():
    held_out = {str(e.row["text"]) for e in CASE.objective.examples("test")}
    assert held_out
    assert not held_out & {text for text, _ in (*TASK.train, *TASK.select)}


def test_a_number_is_read_where_there_are_no_labels():
    read = reader(replace(TASK, labels=()))
    assert [read(said) for said in ("so the answer is 1,200.", "#### 7", "none")] == [
        "1200",
        "7",
        None,
    ]
    assert reader(TASK)("It is How To.") == "how_to"


def test_a_task_whose_answers_are_numbers_has_no_labels(tmp_path: Path):
    rows = [{"question": f"What is {i} and 1?", "answer": str(i + 1)} for i in range(20)]
    lines = "\n".join(map(json.dumps, rows))
    (tmp_path / "gsm8k_600.jsonl").write_text(lines, encoding="utf-8")
    task = maths(tmp_path).task()
    assert list(task.labels) == []
    assert {reader(task)(label) for _, label in task.select} <= {str(i + 1) for i in range(20)}


@pytest.mark.parametrize(("calls", "rows"), [(400, 50), (1500, 125)])
def test_one_set_to_score_on_takes_an_eighth_of_the_calls(calls: int, rows: int):
    order = Order("gepa", "", calls, 0, TASK)
    assert order.valset == TASK.select[:rows]


async def asked(server: CountingServer, key: str) -> str:
    prompt = TASK.messages(TASK.instruction, TASK.train[:2], "Please cancel.")
    body = {
        "model": "pocket",
        "messages": [{"role": role, "content": content} for role, content in prompt],
    }
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{server.base_url}/chat/completions"
    async with ClientSession() as session, session.post(url, json=body, headers=headers) as got:
        return (await got.json())["choices"][0]["message"]["content"]


async def test_the_server_counts_and_stands_in_for_a_writer():
    async with counting_server() as server:
        label = await asked(server, TASK_KEY)
        assert await asked(server, PROPOSAL_KEY) == label
        assert (server.counts.calls, server.counts.proposals) == (1, 1)
        assert server.counts.tokens > 50
        server.reset(repeat("Name the team."))
        assert await asked(server, PROPOSAL_KEY) == "Name the team."
        assert await asked(server, TASK_KEY) == label
        assert (server.counts.calls, server.counts.proposals) == (1, 1)


@pytest.mark.slow
async def test_a_run_of_our_own_row():
    async with counting_server() as server:
        bench = Bench(server, "", 500, Path())
        run = await bench.run(CASE, "lathe-demos", "-", 0)
    assert run.counts == Counts(500, run.counts.tokens, 0)
    reported = run.knobs["reported"]
    assert (run.seed_score, run.best_score) == pytest.approx((reported["seed"], reported["best"]))
    assert json.loads(json.dumps(run.messages)) == [list(m) for m in run.messages]


async def test_a_failing_peer_is_one_message():
    order = Order("lathe", "http://127.0.0.1:9/v1", 500, 0, Task(**{**vars(TASK), "name": "none"}))
    with pytest.raises(PeerFailed, match=r"lathe failed:(.|\n)*KeyError: 'none'"):
        await child(sys.executable, order)


def test_the_table_has_every_run_and_the_means():
    runs = [
        Run(
            *("triage", peer, "-", seed, 0.1, best),
            counts=Counts(1990 + 20 * seed, 5, 1),
            seconds=3.0,
            knobs={},
            messages=[],
        )
        for peer, scores in {"lathe": (0.5, 0.7), "capo": (0.2, 0.3)}.items()
        for seed, best in enumerate(scores)
    ]
    lines = table(runs).splitlines()
    assert len([line for line in lines if line.startswith("triage")]) == 6
    assert lines[-2].split()[:6] == ["triage", "lathe", "-", "2000", "calls", "best"]
    assert "0.600 (0.500 to 0.700)" in lines[-2]
    assert "0.250 (0.200 to 0.300)" in lines[-1]
