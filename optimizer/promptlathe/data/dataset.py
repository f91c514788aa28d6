"""Datasets: where the rows come from, and that each is what a row must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BeforeValidator

from promptlathe.data.files import ENDINGS, Row, read_file
from promptlathe.data.frames import rows_of
from promptlathe.data.mlflow_rows import MLFLOW, Traces, mlflow_rows
from promptlathe.data.values import kind, missing, plain
from promptlathe.documents import Model, Within, find, nearest
from promptlathe.errors import InputError, MissingExtra
from promptlathe.records import content_hash

HF = "hf:"


class HuggingFace(Model):
    """A dataset of Hugging Face's hub by id, or a local folder that `datasets` can load."""

    hf: str
    split: str = "train"
    config: str | None = None


Records = list[dict[str, Any]]
Source = Annotated[str | HuggingFace | Traces | Records, BeforeValidator(rows_of)]
"""A file's path, `hf:name` (its split `train`), a dataset of the hub, `mlflow:name` (an evaluation
dataset), traces in MLflow, or the rows themselves, as dicts or as a data frame (data/frames.py)."""
Rows = tuple[Row, ...]


class Targeted(Protocol):
    """What the data must know of a scorer."""

    @property
    def name(self) -> str: ...

    @property
    def target_field(self) -> str | None:
        """The row's field with the right answer; None for a scorer that needs none."""
        ...

    @property
    def step(self) -> str | None:
        """The step of a chain that it scores; None: the chain's output."""
        ...

    @property
    def whole_target(self) -> bool:
        """The scorer looks at the rows itself: the field may be empty, and of any kind."""
        ...

    def flaw(self, target: Any) -> str | None:
        """Why this scorer cannot use a row's target, in words; None when it can."""
        ...


def load_rows(
    source: Source,
    folder: Path,
    where: str | None = None,
    within: Within = None,
    store: str | None = None,
) -> Rows:
    """The rows of a source, as JSON-like dicts with unique `id`s where they have any.

    Paths are relative to `folder` and do not lead out of `within`; `where` is the place to name
    when the source itself is wrong; `store` is MLflow's tracking URI, None: MLFLOW_TRACKING_URI.
    Raises `InputError` (with file and line) and `MissingExtra`.
    """
    rows = load_some(source, folder, where, within, store)
    if not rows:
        name = named_file(source, folder, within, where) or source_name(source) or where
        raise InputError(
            "the dataset is empty", str(name or "dataset"), "give it at least a few dozen rows"
        )
    _check_ids(rows)
    return rows


def named_file(
    source: Source, folder: Path, within: Within = None, where: str | None = None
) -> Path | None:
    """The path of a source that is a file. Raises `InputError` for one out of `within`."""
    if isinstance(source, str) and not source.startswith((HF, MLFLOW)):
        return find(folder, source, within, where)
    return None


def load_some(
    source: Source,
    folder: Path,
    where: str | None = None,
    within: Within = None,
    store: str | None = None,
) -> Rows:
    """The same of a source that may have no rows, and several with one `id`."""
    if isinstance(source, str) and source.startswith(HF):
        source = HuggingFace(hf=source.removeprefix(HF))
    match source:
        case str() if source.startswith(MLFLOW):
            read = mlflow_rows(source.removeprefix(MLFLOW), store, where)
        case Traces():
            read = mlflow_rows(source, store, where)
        case str():
            path = find(folder, source, within, where)
            if where and path.suffix.lower() in ENDINGS and not path.exists():
                raise InputError(
                    f"names {source!r}, and there is no such file",
                    where,
                    f"looked for {path}; paths are relative to this file",
                )
            read = read_file(path, where)
        case HuggingFace():
            read = _hub(source, folder, where, within)
        case _:
            read = _given(source)
    return tuple(_checked(row) for row in read)


def in_mlflow(source: Source | float | None) -> bool:
    """Whether MLflow keeps the rows."""
    return isinstance(source, Traces) or (isinstance(source, str) and source.startswith(MLFLOW))


def source_name(source: Source | None) -> str:
    """Of a source that is named: a file, or where else the rows are kept; empty for rows."""
    match source:
        case str():
            return source
        case HuggingFace():
            return f"{HF}{source.hf}"
        case Traces():
            return source.place
        case _:
            return ""


def identify(rows: Iterable[Row]) -> list[str]:
    """An id for each row: its content's hash; the n-th equal row gets the suffix `-n`."""
    seen: Counter[str] = Counter()
    ids: list[str] = []
    for row in rows:
        digest = content_hash(row.values)
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids


def check_field(rows: Rows, name: str, where: str | None) -> None:
    """Raise `InputError` unless every row has a value in the field `name`.

    A field that no row has is a mistake at `where`; one that some rows lack, in the first such row.
    """
    lacking = [row for row in rows if missing(row.values.get(name))]
    if len(lacking) == len(rows):
        known = list(rows[0].values)
        near = nearest(name, known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(
            f"no row has the field {name!r}{hint}", where, f"the rows have: {', '.join(known)}"
        )
    if lacking:
        more = f" ({len(lacking)} rows lack it)" if len(lacking) > 1 else ""
        raise InputError(
            f"the row has no {name!r}{more}", lacking[0].where, "fill it in, or remove the row"
        )


def check_target(rows: Rows, scorer: Targeted, where: str | None) -> None:
    """Raise `InputError` unless every row's target is there, of one kind, and fit to score with."""
    field = scorer.target_field
    if field is None or scorer.whole_target:
        return
    check_field(rows, field, where)
    first = rows[0]
    for row in rows:
        value = row.values[field]
        if kind(value) != kind(first.values[field]):
            raise InputError(
                f"{field!r} is {kind(value)} here, "
                f"but {kind(first.values[field])} at {first.where}",
                row.where,
                "use one kind of target in all rows",
            )
        for one in value if isinstance(value, list) else [value]:
            if flaw := scorer.flaw(one):
                fix = f"the scorer {scorer.name} needs another target"
                raise InputError(f"{field!r} {flaw}: {one!r}", row.where, fix)


def _checked(row: Row) -> Row:
    if not isinstance(row.values, Mapping):
        raise InputError(
            f"a row must be an object, not {kind(row.values)}",
            row.where,
            'write {"field": "value", …}',
        )
    values: dict[str, Any] = {}
    for name, value in row.values.items():
        try:
            values[plain(str(name))] = plain(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"the field {str(name)[:100]!r} holds a {error}, which is neither text nor data",
                row.where,
                "turn it into text, or leave the column out",
            ) from None
    return Row(values, row.where)


def _check_ids(rows: Rows) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        given = row.values.get("id")
        if given is None:
            continue
        first = seen.setdefault(str(given), row.where)
        if first != row.where:
            raise InputError(
                f"the id {given!r} is also that of {first}", row.where, "give each row its own id"
            )


def _given(records: Records) -> Iterator[Row]:
    return (Row(record, f"dataset[{index}]") for index, record in enumerate(records))


def _hub(source: HuggingFace, folder: Path, where: str | None, within: Within) -> Iterator[Row]:
    try:
        import datasets  # type: ignore[import-not-found]  # the extra `hf`
    except ImportError:
        raise MissingExtra("datasets", "hf", f"the dataset {HF}{source.hf}") from None
    local = find(folder, source.hf, within, where)
    name = str(local) if local.exists() else source.hf
    try:
        loaded = datasets.load_dataset(name, source.config, split=source.split)
    except Exception as error:
        raise InputError(
            f"does not load: {type(error).__name__}: {error}",
            f"{HF}{source.hf}",
            f"check the name, the config, the split {source.split!r} and the network",
        ) from error
    place = f"{HF}{source.hf} {source.split}"
    return (Row(values, f"{place}: row {n}") for n, values in enumerate(loaded, start=1))
