"""The package's shape: imports run upwards, importing is cheap, errors survive a pickle."""

import ast
import importlib
import inspect
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import promptlathe
from promptlathe import errors

PACKAGE = Path(promptlathe.__file__).parent
LAYERS = (
    ("visible",),
    (
        "version",
        "errors",
        "records",
        "json_form",
        "command_line",
        "whole_files",
        "interrupts",
        "clock",
    ),
    ("new_files",),
    ("starter",),
    ("documents",),
    ("cron",),
    ("space",),
    ("data",),
    ("models",),
    ("ledger",),
    ("runtime",),
    ("scoring",),
    ("targets",),
    ("search",),
    ("decide",),
    ("results",),
    ("report",),
    ("notify",),
    ("track",),
    ("job",),
    ("notebook",),
    ("api", "genai"),
    ("schedule",),
    ("exchange",),
    ("drafting",),
    ("cli",),
    ("testing",),
    ("__main__",),
)
"""Lowest first: a module imports from lower layers, and from its own package."""
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py"})
"""Without the front door, which loads each name when it is first used."""
HEAVY = ("ray", "mlflow", "optuna", "openai", "pandas", "pyarrow", "scipy", "aiohttp", "numpy")
FRAMEWORKS = ("langchain_core", "llama_index", "dspy")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imports(path: Path) -> set[str]:
    """The full names of what a file imports, at its top, later, or for the type checker."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                found |= {f"{module}.{alias.name}" for alias in names}
            case ast.ImportFrom():
                found.add("a relative import")
            case _:
                pass
    return found


def part_of(module: str) -> str | None:
    """The part of the package that a full name lies in; None for other packages."""
    package, _, rest = module.partition(".")
    return rest.split(".")[0] if package == "promptlathe" else None


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_upwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert own in LEVEL, f"{own} has no place in the list of layers"
    for module in imports(path):
        part = part_of(module)
        if part and part != own:
            assert part in LEVEL, f"{module} is not a part of the package"
            assert LEVEL[part] < LEVEL[own], f"{own} must not import {module}"


def module_of(path: Path) -> str:
    parts = ("promptlathe", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Also not inside a folder, and not for the type checker. A package's `__init__` gathers what
    is below it: there, only what other modules take from it counts."""
    modules = {module_of(path): path for path in FILES}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        near = {one if one in modules else one.rpartition(".")[0] for one in imports(path)}
        graph[name] = (near & modules.keys()) - {name}
    circles: list[list[str]] = []
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            circles.append(way[way.index(name) :])
        elif name not in done:
            for other in sorted(graph[name]):
                walk(other, [*way, name])
            done.add(name)

    for name in graph:
        walk(name, [])
    assert circles == []


def test_the_list_of_layers_is_the_package() -> None:
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert parts <= LEVEL.keys()
    assert not (PACKAGE.parent / "__init__.py").exists()


def test_one_module_imports_optuna() -> None:
    found = [name_of(p) for p in FILES if any(m.split(".")[0] == "optuna" for m in imports(p))]
    assert found == ["search/study.py"]


LOADED = "import sys; {code}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"


@pytest.mark.parametrize(
    "code",
    [
        "import promptlathe",
        "import promptlathe.cli",
        "from click.testing import CliRunner; from promptlathe.cli import main; "
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0",
        "from click.testing import CliRunner; from promptlathe.cli import main; "
        "assert CliRunner().invoke(main, ['run', '--help']).exit_code == 0",
    ],
)
def test_importing_loads_nothing_heavy(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "promptlathe" in loaded
    assert loaded.isdisjoint((*HEAVY, *FRAMEWORKS))


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        # What `promptlathe check` needs: no tracking, no Ray, no client.
        ("import promptlathe.job", ("ray", "mlflow", "optuna", "openai", "pandas", *FRAMEWORKS)),
        # What shows a result: no ledger either.
        (
            "import promptlathe.report.page",
            ("ray", "mlflow", "optuna", "openai", "pandas", "sqlalchemy", *FRAMEWORKS),
        ),
    ],
)
def test_what_a_part_of_the_package_does_not_load(code: str, heavy: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()).isdisjoint(heavy)


def told_to_the_checker() -> dict[str, str]:
    """What the front door imports for the type checker: names with their modules."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imported for alias in node.names}


def test_the_public_names_are_there_and_everybody_is_told_the_same() -> None:
    told = told_to_the_checker()
    assert set(promptlathe.__all__) == set(told)
    assert set(dir(promptlathe)) == {*told, "__version__"}
    for name, module in told.items():
        assert getattr(promptlathe, name) is getattr(importlib.import_module(module), name)
    starred: dict[str, object] = {}
    exec("from promptlathe import *", starred)
    assert starred.keys() - {"__builtins__"} == told.keys()
    with pytest.raises(AttributeError, match="optimise"):
        _ = promptlathe.optimise


def test_the_front_door_offers_every_scorer_that_a_run_file_knows() -> None:
    from promptlathe.scoring.entries import ScorerEntry

    keywords = set(ScorerEntry.model_fields)
    assert keywords
    assert keywords <= set(promptlathe.__all__)


def test_the_version_is_that_of_the_package() -> None:
    declared = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text("utf-8"))
    assert promptlathe.__version__ == declared["project"]["version"]


ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.PromptlatheError)
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_survives_a_pickle(kind: type[errors.PromptlatheError]) -> None:
    init = inspect.signature(kind.__init__)
    names = [name for name, one in init.parameters.items() if one.kind == one.POSITIONAL_OR_KEYWORD]
    error = kind(*(f"<{name}>" for name in names if name != "self"))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert again.exit_code == error.exit_code
    assert str(again) == str(error)
    assert vars(error) or kind is errors.PromptlatheError


def test_the_tree_at_the_top_of_errors_is_the_tree() -> None:
    drawn = errors.__doc__ or ""
    for kind in ERRORS:
        assert kind.__name__ in drawn
        if kind is not errors.PromptlatheError:
            line = next(line for line in drawn.splitlines() if kind.__name__ in line)
            assert f"exit {kind.exit_code} " in line
