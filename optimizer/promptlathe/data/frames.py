"""Data frames as rows: of pandas, polars or PyArrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def rows_of(given: Any) -> Any:
    """A data frame as a list of dicts, a path as a text; anything else as it is.

    A row has a key for each column; the index is no column. What is missing (NaN, NaT, NA, null)
    is None. Raises ValueError(what, fix) for columns that no row can have, and for what has to be
    turned into a table first.
    """
    kind = f"{type(given).__module__.partition('.')[0]}.{type(given).__name__}"
    if fix := _FIXES.get(kind):
        raise ValueError(f"a {kind} is no table of rows", fix)
    if isinstance(given, Path):
        return str(given)
    if hasattr(given, "to_dicts"):  # polars.DataFrame
        return given.to_dicts()
    if hasattr(given, "to_pylist") and hasattr(given, "column_names"):  # pyarrow.Table
        _check_names(given.column_names)
        return given.to_pylist()
    if hasattr(given, "columns") and hasattr(given, "notna"):  # pandas.DataFrame
        return _of_pandas(given)
    return given


_FIXES = {
    "pandas.Series": "give the whole data frame, with a column for each field",
    "polars.Series": "give the whole data frame, with a column for each field",
    "polars.LazyFrame": "collect it first: frame.collect()",
    "pyspark.DataFrame": "make a local one of it first: frame.toPandas()",
    "dask.DataFrame": "make a local one of it first: frame.compute()",
    "duckdb.DuckDBPyRelation": "make a data frame of it first: relation.df()",
    "datasets.Dataset": "give its rows: dataset.to_list()",
    "datasets.DatasetDict": 'give the rows of a part: dataset["train"].to_list()',
    "numpy.ndarray": 'give rows with names: [{"text": …, "label": …}, …], or a data frame',
}


def _of_pandas(frame: Any) -> list[dict[str, Any]]:
    if getattr(frame.columns, "nlevels", 1) > 1:
        raise ValueError(
            "the data frame's columns have several levels",
            'give each one name: frame.columns = ["_".join(map(str, one)) for one in frame]',
        )
    names = [str(name) for name in frame.columns]
    _check_names(names)
    whole = frame.astype(object).where(frame.notna(), None)
    return [dict(zip(names, row, strict=True)) for row in whole.itertuples(index=False, name=None)]


def _check_names(names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(
                f"the data frame has {count} columns named {name!r}",
                "give each column its own name",
            )
