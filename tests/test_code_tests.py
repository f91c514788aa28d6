"""The scorer that runs a model's code: what it takes for code, and what that code can do."""

import os
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.outcomes import scored

from promptlathe import scoring
from promptlathe.records import Outcome
from promptlathe.scoring import Objective, Scorer
from promptlathe.scoring.builtin import sandbox
from promptlathe.scoring.builtin.fences import python_code
from promptlathe.scoring.builtin.sandbox import run_tests
from promptlathe.testing.scorers import ScorerSuite

code_tests = scoring.tests
LINUX = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")


def fenced(code: str, tongue: str = "python") -> str:
    return f"```{tongue}\n{code}\n```"


ADD = "def add(a, b):\n    return a + b"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (fenced(ADD), ADD),
        (f"Voici :\n\n{fenced(ADD, '')}\nEt voilà.", ADD),
        (f"<think>{fenced('x = 1')}\n</think>\n{fenced(ADD, 'Python')}", ADD),
        (f"{fenced(ADD)}\nUse it so:\n{fenced('add(1, 2)')}", ADD),
        (f"{fenced('def add(): ...')}\nBetter:\n{fenced(ADD)}", ADD),
        (f"{fenced(ADD)}\n{fenced('pip install x', 'bash')}", ADD),
        (f"1. so:\n   ~~~py\n   {ADD.replace(chr(10), chr(10) + '   ')}\n   ~~~", ADD),
        (ADD, ADD),
        ("I cannot do that.", None),
        ("sorry", None),
        (f"```python\n{ADD}", None),
        (fenced('{"a": 1}', "json"), None),
        ("", None),
        ("<think>hm", None),
    ],
)
def test_what_is_taken_for_the_code(answer: str, code: str | None) -> None:
    found = python_code(answer)
    assert (found and found.strip()) == code


def tried(code: str, *tests: str, seconds: float = 5) -> list[str | None]:
    return run_tests(code, tests, seconds=seconds, memory=256)


def test_each_test_counts_for_itself() -> None:
    assert tried(ADD, "assert add(1, 2) == 3", "assert add(1, 2) == 4, 'no'", "add()", "1 +") == [
        None,
        "AssertionError: no",
        "TypeError: add() missing 2 required positional arguments: 'a' and 'b'",
        "SyntaxError: invalid syntax (<answer>, line 1)",
    ]
    assert tried("def add(:", "1") == [
        "the code does not run: SyntaxError: invalid syntax (<answer>, line 1)"
    ]
    module = "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\n"
    assert tried(module + "class A:\n    x: int", "assert A(1).x == 1") == [None]


def test_what_never_ends_costs_itself_only() -> None:
    code = "def hang():\n    while True: pass\ndef deaf():\n    try: hang()\n    except: hang()"
    assert tried(code, "hang()", "assert 1", seconds=0.4) == ["took too long", None]


def test_what_ends_the_process_leaves_what_was_tried() -> None:
    ended = "the process ended before it: it stopped by itself, or ran out of memory"
    assert tried("import os", "1", "os._exit(0)", "1") == [None, ended, ended]
    hog = "def hog():\n    held = []\n    while True: held.append(bytearray(10**7))"
    assert tried(hog, "hog()", "exit(3)", "1") == ["MemoryError", "SystemExit: 3", None]


@pytest.mark.parametrize("apart", [True, False])
def test_the_network_processes_and_other_files_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    """Also where the system gives no namespaces."""
    if not apart:
        text, refused = sandbox.MAIN.read_text(), tmp_path / "main.py"
        refused.write_text(text.replace("CLONE = 0x10000000", "CLONE = 1"))
        monkeypatch.setattr(sandbox, "MAIN", refused)
    outside = tmp_path / "outside.txt"
    outside.write_text("before")
    found = tried(
        "import ctypes, os, shutil, signal, socket, subprocess, urllib.request",
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "urllib.request.urlopen('http://127.0.0.1:9/')",
        "subprocess.run(['true'])",
        "os.fork()",
        "os.system('true')",
        "os.kill(os.getppid(), signal.SIGKILL)",
        "ctypes.CDLL(None)",
        f"open({str(outside)!r}, 'w')",
        f"os.remove({str(outside)!r})",
        f"shutil.rmtree({str(tmp_path)!r})",
        "open('own', 'w').write('x'); assert open('own').read() == 'x'; os.remove('own')",
        "open('large', 'wb').write(b'0' * 20_000_000)",
        "assert not [k for k in os.environ if k not in "
        "('HOME', 'LANG', 'PATH', 'TMPDIR', 'PYTHONHASHSEED') and 'THREADS' not in k]",
    )
    cannot = "cannot be had here"
    said = [why or "" for why in found]
    assert all(f"the network {cannot}" in why for why in said[:3])
    assert [why.partition(": ")[2] for why in said[3:8]] == [
        *[f"new processes {cannot}"] * 3,
        f"signals {cannot}",
        f"native code {cannot}",
    ]
    assert all("Read-only" in why or "outside of the working" in why for why in said[8:11])
    assert said[11:] == ["", "OSError: [Errno 27] File too large", ""]
    assert outside.read_text() == "before"


@LINUX
def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder nor a process, of code that lets no exception through."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("promptlathe.scoring.builtin.sandbox.GRACE", 0.3)
    deaf = (
        "import time\ndef f():\n    while True:\n"
        "        try: time.sleep(9)\n        except BaseException: pass"
    )
    late = "not done within 0.2 s"
    assert tried(deaf, "f()", "1", seconds=0.2) == [late, late]
    assert list(tmp_path.iterdir()) == []
    places = [link for link in Path("/proc").glob("[0-9]*/cwd") if _leads_to(link, tmp_path)]
    assert places == []


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        return os.readlink(link).startswith(str(folder))
    except OSError:
        return False


ROWS = [{"text": f"Add {i}.", "checks": ["assert add(1, 2) == 3", "add('a')"]} for i in range(12)]


def outcomes(objective: Objective, *answers: str) -> list[Outcome]:
    example = objective.examples("select")[0]
    try:
        return [scored(objective, example, answer) for answer in answers]
    finally:
        objective.close()


def test_in_an_objective_it_runs_beside_the_event_loop() -> None:
    objective = Objective(ROWS, scorer=code_tests("checks"))
    half, none = outcomes(objective, f"So:\n{fenced(ADD)}", "I would rather not.")
    assert (half.value, half.parsed, half.unread) == (0.5, f"{ADD}\n", False)
    said = "add() missing 1 required positional argument: 'b'"
    assert half.rationales["tests"] == f"1 of 2 tests passed. add('a'): TypeError: {said}"
    assert (none.value, none.unread) == (0, True)


def test_its_contract_is_a_fenced_block() -> None:
    contract = Objective(ROWS, scorer=code_tests("checks")).contract
    assert "fenced block of Python" in contract.reading
    assert contract.sentences(()) == (
        "Answer with one fenced block of Python code and nothing else.",
    )
    assert not contract.names_answers


@pytest.mark.slow
class TestTests(ScorerSuite):
    row: ClassVar[Any] = {"label": ["assert add(1, 2) == 3", "assert add(0, 0) == 1"]}
    readable = (fenced(ADD), "x = 1", fenced("def add(a, b): return 3"))
    unreadable = ("", "none")

    def scorer(self) -> Scorer:
        return code_tests("label")
