"""What people see in a notebook, a script and a REPL: real kernels, real runs."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from tests.jobs import OBJECTIVE
from tests.test_front_door import SPACE

import promptlathe as pl
from promptlathe.errors import InputError, Interrupted
from promptlathe.job.progress import View
from promptlathe.results import CurvePoint as Point
from promptlathe.results import Result as Data
from promptlathe.starter import copy_starter

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "guide" / "notebook.ipynb"
RUN = """
import promptlathe as pl
from tests.jobs import OBJECTIVE
from tests.test_front_door import SPACE
result = pl.optimize(SPACE, OBJECTIVE, budget={"calls": 150}, track=False)
"""
NO_WIDGETS = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "ipywidgets" else find(name, *more)
sys.modules["ipywidgets"] = None
"""


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join((str(ROOT / "optimizer"), str(ROOT)))
    return {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}


def executed(folder: Path, *cells: str) -> list[Any]:
    """The outputs of each cell, in a kernel of its own. An error is an output."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True)
    client.create_kernel_manager()
    client.execute(cwd=str(folder), env=environment(folder))
    return [cell.outputs for cell in notebook.cells]


def text(outputs: Any) -> str:
    """Streams, plain texts and tracebacks together."""
    parts: list[str] = []
    for one in outputs:
        parts += [one.get("text", ""), *one.get("traceback", ())]
        parts.append(one.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> pl.Result:
    workspace = tmp_path_factory.mktemp("w")
    return pl.optimize(
        SPACE, OBJECTIVE, budget={"calls": 200}, track=False, workspace=workspace, progress=False
    )


# A notebook


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Outputs of a notebook in a real kernel, with ipywidgets and then without."""
    return executed(
        tmp_path_factory.mktemp("notebook"),
        RUN,
        "result",
        "result.plot_effects()",
        'pl.Objective("missing.jsonl", scorer=pl.exact_match("label")).check()',
        "repr(pl.load_result()) == repr(result)",
        NO_WIDGETS + RUN,
        "import threading, os, signal\n"
        "class Stop:\n"
        "    def update(self, view):\n"
        "        if view.account.spent.calls > 20 and not hasattr(self, 'sent'):\n"
        "            self.sent = os.kill(os.getpid(), signal.SIGINT)\n"
        "pl.optimize(SPACE, OBJECTIVE, budget={'calls': 150}, seed=7, track=False,\n"
        "            policy='random', progress=Stop())",
        "len(pl.optimize(SPACE, OBJECTIVE, budget={'calls': 150}, seed=7, track=False,\n"
        "            policy='random', progress=False).standings) > 0",
    )


@pytest.mark.slow
class TestANotebook:
    def test_shows_progress_as_widgets(self, cells: list[Any]) -> None:
        kinds = [list(one.get("data", {})) for one in cells[0]]
        assert any("application/vnd.jupyter.widget-view+json" in one for one in kinds)
        assert not any(one.output_type in ("stream", "error") for one in cells[0]), text(cells[0])

    def test_shows_progress_as_lines_without_ipywidgets(self, cells: list[Any]) -> None:
        assert {(one.output_type, one.name) for one in cells[5]} == {("stream", "stderr")}
        lines = "".join(one.text for one in cells[5]).splitlines()
        assert lines[0].startswith("search: ")
        assert lines[-1].startswith("done: ")
        assert "of 150 calls" in lines[-1]

    def test_shows_a_result_as_html_with_a_short_text(self, cells: list[Any]) -> None:
        (shown,) = cells[1]
        assert "promptlathe-result" in shown.data["text/html"]
        assert len(shown.data["text/plain"]) <= 200

    def test_shows_a_chart(self, cells: list[Any]) -> None:
        (shown,) = cells[2]
        assert len(shown.data["image/png"]) > 5_000

    def test_shows_an_error_as_its_message(self, cells: list[Any]) -> None:
        (error,) = cells[3]
        assert error.ename == "InputError"
        shown = "\n".join(error.traceback)
        assert shown.startswith("InputError: ")
        assert "missing.jsonl" in shown
        assert len(shown.splitlines()) <= 4
        assert "Traceback" not in shown

    def test_finds_the_run_again(self, cells: list[Any]) -> None:
        assert text(cells[4]).strip() == "True"

    def test_an_interrupted_kernel_keeps_what_was_paid_for(self, cells: list[Any]) -> None:
        (error,) = (one for one in cells[6] if one.output_type == "error")
        assert error.ename == "Interrupted"
        kept = re.search(r"the (\d+) answers paid for are kept", "\n".join(error.traceback))
        assert kept
        assert int(kept[1]) > 0
        assert text(cells[7]).strip() == "True", "the kernel goes on"


@pytest.mark.slow
def test_the_example_notebook_runs(tmp_path: Path) -> None:
    """As it stands in the documents: without outputs, and short."""
    notebook: Any = nbformat.read(EXAMPLE, as_version=4)
    nbformat.validate(notebook)
    assert len(notebook.cells) <= 20
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    copy_starter(tmp_path)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3")
    client.create_kernel_manager()
    client.execute(cwd=str(tmp_path), env=environment(tmp_path))
    shown = {
        key
        for cell in notebook.cells
        for one in cell.get("outputs", ())
        for key in one.get("data", ())
    }
    assert {"text/html", "image/png"} <= shown
    said = "".join(text(cell.get("outputs", ())) for cell in notebook.cells)
    assert "Better: the best prompt beats the seed prompt" in said


# A script and a REPL


@pytest.mark.parametrize("options", [[], ["-i"]], ids=["script", "interactive"])
def test_a_script_shows_lines_on_stderr_alone(options: list[str], tmp_path: Path) -> None:
    code = RUN + "\nprint(result.verdict)\n"
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=tmp_path,
        env=environment(tmp_path),
        input="result\nquit()\n",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] in ("better", "no significant gain", "worse")
    assert len(done.stdout) < 400
    if options:
        assert "Result(" in done.stdout
    lines = [line.removeprefix(">>> ") for line in done.stderr.splitlines()]
    assert any(line.startswith("search: ") for line in lines)
    assert any(line.startswith("done: 150 of 150 calls") for line in lines)


# What shows the run


class Seen:
    def __init__(self) -> None:
        self.views: list[str] = []

    def update(self, view: View) -> None:
        self.views.append(view.stage)


def run_with(progress: Any, workspace: Path, calls: int = 60) -> pl.Result:
    return pl.optimize(
        SPACE,
        OBJECTIVE,
        budget={"calls": calls},
        track=False,
        workspace=workspace,
        progress=progress,
    )


def test_an_object_is_told_of_every_outcome(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Seen()
    run_with(seen, tmp_path)
    assert len(seen.views) >= 60
    assert {"search", "decision"} <= set(seen.views)
    assert capsys.readouterr() == ("", "")


def test_false_shows_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_with(False, tmp_path)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("wrong", [None, "yes", 3, object()])
def test_what_cannot_show_a_run_is_said(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="update"):
        run_with(wrong, tmp_path)


def test_a_second_interrupt_does_not_cut_off_the_end(tmp_path: Path) -> None:
    """Within a running loop, as in a notebook: the job is in a thread, the signals come here."""

    class Stop(Seen):
        def update(self, view: View) -> None:
            super().update(view)
            if len(self.views) in (20, 21):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    async def cell() -> None:
        with pytest.raises(Interrupted) as caught:
            run_with(Stop(), tmp_path, 400)
        assert caught.value.calls >= 15

    loop = asyncio.new_event_loop()
    loop.run_until_complete(cell())
    loop.close()
    assert run_with(False, tmp_path).verdict


# The result


def test_a_summary_fits_a_screen(result: pl.Result) -> None:
    lines = result.summary().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 88
    for part in (result.recommended, f"{result.test.gain:+.3f}", "200 calls", "What works"):
        assert part in result.summary()


HOSTILE = '<script>alert(1)</script>\x1b[31m\u202e & "x" $x^2$ {{ text }} ' + "y" * 50_000


def hostile(result: pl.Result) -> pl.Result:
    (prompt,) = result.best.prompts.values()
    messages = tuple(replace(one, content=HOSTILE) for one in prompt.messages)
    best = replace(
        result.best, prompts={"prompt": replace(prompt, messages=messages)}, levels={"a": HOSTILE}
    )
    works = tuple(replace(one, level=HOSTILE, over=HOSTILE) for one in result.found_in_best)
    return replace(
        result,
        best=best,
        found_in_best=works,
        notes=(HOSTILE,) * 8,
        registered={HOSTILE: 3},
        run_id=HOSTILE,
        recommended="best",
    )


def test_html_is_escaped_and_small(result: pl.Result) -> None:
    plain = result._repr_html_()
    assert "<ins" in plain
    assert len(plain) < 20_000
    html = hostile(replace(result, notes=()))._repr_html_()
    assert "&lt;script&gt;" in html
    for obeyed in ("<script", "\x1b", "\u202e"):
        assert obeyed not in html
    assert len(html) < 1_000_000


def test_text_is_not_obeyed_and_short(result: pl.Result) -> None:
    for said in (hostile(result).summary(), repr(hostile(result))):
        assert "\x1b" not in said
        assert "\u202e" not in said
    assert len(hostile(result).summary().splitlines()) < 60


def test_charts_are_figures_and_change_nothing_global(result: pl.Result) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    before = dict(matplotlib.rcParams)
    curve = [Point(10 * i, 0.3, 0.3 + i / 30) for i in range(1, 9)]
    for one in (replace(result, curve=tuple(curve)), hostile(result), bare(result)):
        for draw in (one.plot_progress, one.plot_effects, one.plot_pareto):
            figure = draw()
            assert isinstance(figure, Figure)
            assert figure._repr_png_().startswith(b"\x89PNG")
            axes = Figure().add_subplot()
            assert draw(axes) is axes
            assert draw(ax=axes) is axes
    assert dict(matplotlib.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_a_chart_draws_the_records(result: pl.Result) -> None:
    curve = tuple(Point(10 * i, 0.3, 0.3 + i / 30) for i in range(1, 9))
    (axes,) = replace(result, curve=curve).plot_progress().axes
    seed, best = axes.get_lines()
    assert list(best.get_ydata()) == [one.best for one in curve]
    assert list(seed.get_xdata()) == [one.calls for one in curve]
    (axes,) = result.plot_effects().axes
    strongest = max(result.found_in_best, key=lambda one: abs(one.effect))
    assert f"{strongest.level} over" in axes.get_yticklabels()[-1].get_text()
    (axes,) = result.plot_pareto().axes
    assert len(axes.get_lines()[-1].get_xdata()) == len(result.pareto)


def bare(result: pl.Result) -> pl.Result:
    nothing = dict.fromkeys(("standings", "rows", "found_effects", "found_in_best", "curve"), ())
    return replace(result, **nothing, notes=())


def test_a_result_without_records_shows_itself(result: pl.Result) -> None:
    assert "gain" in bare(result).summary()
    assert "held-out rows" in bare(result)._repr_html_()


def test_the_result_is_the_data_that_a_job_gives(result: pl.Result) -> None:
    data = Data(**{name: getattr(result, name) for name in result.__dataclass_fields__})
    assert pl.Result.of(data) == result
    assert pl.Result.of(data).to_dict() == result.to_dict()


def test_a_run_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        pl.load_result("nothing", workspace=tmp_path)
    assert not list(tmp_path.iterdir())
    run_with(False, tmp_path)
    with pytest.raises(InputError, match="no run 'nothing'"):
        pl.load_result("nothing", workspace=tmp_path)
