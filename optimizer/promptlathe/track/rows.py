"""`python -m promptlathe.track.rows`: rows of a dataset or of traces, asked for by another process.

The question, JSON on standard input: `uri`, and `dataset` (its name), or `traces` (the experiment),
`filter` and `most`. The answer, JSON on standard output: `rows`, each with `id`, `inputs` and
`expectations`; or `what`, `where` and `fix` of an `InputError`. It writes nothing to the store.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from promptlathe.documents import hiding, nearest, secrets_of, shown_url
from promptlathe.errors import InputError
from promptlathe.track.backend import Away, Backend, environment, said
from promptlathe.track.store import check_store, sqlite_file

PAGE = 100
"""Traces that are asked for at once, with their spans."""
KNOWN = 50
"""Datasets or experiments among which a name is looked for that is like the one that is missing."""


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """The rows, or why there are none."""
    uri = question["uri"]
    hide = hiding(*secrets_of(uri))
    try:
        file = sqlite_file(uri)
        if file is not None and not file.exists():
            raise InputError(
                "there is no MLflow store yet", shown_url(uri), "name the store that has the rows"
            )
        if away := check_store(uri):
            raise Away(uri, away)
        backend = Backend(uri)
        read = _dataset if "dataset" in question else _traces
        try:
            return {"rows": list(read(backend, question))}
        except (InputError, Away):
            raise
        except Exception as error:
            raise Away(uri, said(uri, error)) from error
    except InputError as error:
        return {"what": hide(error.what), "where": error.where, "fix": error.fix}
    except Away as error:
        return {
            "what": f"MLflow does not give the rows: {hide(error.said)}",
            "where": shown_url(uri),
            "fix": "see that the store can be reached, and start it again",
        }


def _dataset(backend: Backend, question: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    import mlflow

    name = question["dataset"]
    quoted = "'" + name.replace("'", "''") + "'" if '"' in name else f'"{name}"'
    found = list(backend.client.search_datasets(filter_string=f"name = {quoted}", max_results=2))
    if not found:
        known = [one.name for one in backend.client.search_datasets(max_results=KNOWN)]
        raise _unknown("dataset", name, known, backend.uri)
    if len(found) > 1:
        raise InputError(
            f"MLflow has several datasets named {name!r}",
            shown_url(backend.uri),
            "give the one that is meant another name",
        )
    mlflow.set_tracking_uri(backend.uri)  # a dataset asks the store of this process for its records
    for one in found[0].records:
        expectations = dict(one.expectations or {})
        yield {"id": one.dataset_record_id, "inputs": one.inputs, "expectations": expectations}


def _traces(backend: Backend, question: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    from mlflow.entities import Expectation
    from mlflow.exceptions import MlflowException

    name, most = question["traces"], question["most"]
    experiment = backend.client.get_experiment_by_name(name)
    if experiment is None:
        known = [one.name for one in backend.client.search_experiments(max_results=KNOWN)]
        raise _unknown("experiment", name, known, backend.uri)
    token, left = None, most
    while left > 0:
        try:
            page = backend.client.search_traces(
                locations=[experiment.experiment_id],
                filter_string=question["filter"],
                max_results=min(PAGE, left),
                page_token=token,
            )
        except MlflowException as error:
            if error.error_code == "INVALID_PARAMETER_VALUE":
                raise InputError(
                    f"MLflow does not take the filter: {said(backend.uri, error)}",
                    None,
                    "write it as for mlflow.search_traces:  tags.reviewed = 'yes'",
                ) from None
            raise
        for trace in page:
            roots = [span for span in trace.data.spans if span.parent_id is None]
            yield {
                "id": trace.info.trace_id,
                "inputs": roots[0].inputs if roots else None,
                "expectations": {
                    one.name: one.value
                    for one in trace.search_assessments(type="expectation")
                    if isinstance(one, Expectation)
                },
            }
        left, token = left - len(page), page.token
        if not token:
            return


def _unknown(kind: str, name: str, known: list[str], uri: str) -> InputError:
    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    there = f"there are: {', '.join(known[:10])}" if known else f"it has no {kind} yet"
    return InputError(
        f"MLflow has no {kind} {name!r}{hint}",
        None,
        f"{there}; the store is {shown_url(uri)}: another one is named by track.uri, or by "
        "MLFLOW_TRACKING_URI",
    )


def main() -> None:
    """One question; whatever MLflow prints goes to standard error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ |= environment()
    json.dump(answer(json.load(sys.stdin)), out, default=str)
    out.flush()
    os._exit(0)  # taking MLflow down in order costs a second


if __name__ == "__main__":
    main()
