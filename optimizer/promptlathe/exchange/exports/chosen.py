"""Which prompt is exported: one of a run, or a version in MLflow's registry."""

import os
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from promptlathe.documents import hiding
from promptlathe.errors import InputError
from promptlathe.job.latest import latest_recorded
from promptlathe.job.stores import ledger_in, recorded_in
from promptlathe.ledger import Ledger
from promptlathe.models.chat import PATH, request_body
from promptlathe.models.openai_compatible import address
from promptlathe.models.providers import MODEL
from promptlathe.models.settings import ModelSettings
from promptlathe.records import PROMPT, Candidate, Json, Prompt
from promptlathe.results import Finalist, Result
from promptlathe.results.kept import result_of
from promptlathe.space import fields_of

REGISTERED = "prompts:/"
SHORTEST = 6
"""Characters of a candidate's id that name it."""
LOCAL = "http://127.0.0.1:8000/v1"
"""Of a model that runs on the user's machine."""
UNNAMED = "MODEL"
"""In place of a model that is not known."""


@dataclass(frozen=True)
class Chosen:
    """A prompt, and how it was asked."""

    name: str
    prompt: Prompt
    about: str
    """Where it is from and how it scored, in a line."""
    model: ModelSettings
    run: str | None = None
    """The ledger's name of the run that it is taken from."""
    state: Path | None = None
    """Of the workspace that keeps the run."""
    notes: tuple[str, ...] = field(default=())

    @property
    def fields(self) -> tuple[str, ...]:
        """Those of a row that the prompt needs, in the order in which they stand in it."""
        from promptlathe.space.template import placeholders

        shown = [n for m in self.prompt.messages for text in m.texts for n in placeholders(text)]
        needed = fields_of(self.prompt)
        return tuple(dict.fromkeys([*(n for n in shown if n in needed), *sorted(needed)]))

    @property
    def body(self) -> dict[str, Json]:
        """The JSON of a chat completion as it was sent, with fields still placeholders."""
        call = self.model.call(self.prompt.messages, self.prompt.parameters)
        body = request_body(call, self.model.spoken)
        return {key: body[key] for key in ("model", "messages")} | {
            key: value for key, value in sorted(body.items()) if key not in ("model", "messages")
        }

    @property
    def parameters(self) -> dict[str, Json]:
        """The keys of the body beside model and messages."""
        return {k: v for k, v in self.body.items() if k not in ("model", "messages")}

    @property
    def headers(self) -> dict[str, str]:
        """Further headers of a call; no keys."""
        call = self.model.call((), self.prompt.parameters)
        return cast("dict[str, str]", dict(call.parameters).get("extra_headers") or {})

    @property
    def url(self) -> str:
        """Where a chat completion is asked for; of a model on this machine, where `promptlathe
        pocket` serves."""
        if self.model.here:
            return address(LOCAL, PATH)
        full = address(self.model.endpoint, PATH)
        return full.replace(MODEL, quote(str(self.body["model"]), safe=""))

    @property
    def base_url(self) -> str:
        """The same for clients, which add the path themselves: without a query."""
        return urlunsplit(urlsplit(self.url)._replace(query="")).removesuffix(PATH)

    @property
    def query(self) -> dict[str, str]:
        """What stands behind the address."""
        return dict(parse_qsl(urlsplit(self.url).query))

    @property
    def key(self) -> str:
        """The variable that holds the key."""
        preset = self.model.preset
        return self.model.api_key_env or (preset.key if preset else None) or "OPENAI_API_KEY"


def chosen(named: str, *, which: str | None, step: str, workspace: Path | None) -> Chosen:
    """The prompt that is meant.

    named: a run of the workspace (by the ledger's name, MLflow's id, or `latest`), or
        `prompts:/name@alias`, `prompts:/name/version`.
    which: of a run, `best`, `seed`, `champion`, `recommended`, or the beginning of a candidate's
        id; None: the recommended one. step: of a chain. Raises InputError.
    """
    if named.startswith(REGISTERED):
        if which is not None:
            raise InputError(
                f"{named} is one prompt", "--prompt", "leave it out, or name a run in its place"
            )
        if step:
            raise InputError(f"{named} is one prompt", "--step", "leave it out")
        return _registered(named, workspace)
    url, state = ledger_in(workspace)
    with closing(Ledger(url)) as ledger:
        result = result_of(ledger, named)
        file = ledger.run_file(result.run)
    side, given = _of(result, which)
    name, prompt = _step(given.prompts, step)
    test = result.test
    scores = {"best": test.best, "seed": test.seed}
    scored = f", {scores[side]:.3f} on {test.examples} held-out rows" if side in scores else ""
    title = result.facts.prompt or result.facts.name
    return Chosen(
        name=title if name == PROMPT else f"{title}-{name}",
        prompt=prompt,
        about=f"{side} prompt of the promptlathe run {result.run}{scored}",
        model=_settings(file, name, result),
        run=result.run,
        state=state,
        notes=_notes(result, side),
    )


def _notes(result: Result, side: str) -> tuple[str, ...]:
    notes: list[str] = []
    if side == "best" and result.recommended != "best":
        notes.append(
            f"the run recommends its {result.recommended} prompt, not its best: {result.reason}"
        )
    if result.facts.embedded:
        notes.append("the prompt was scored with the pocket model, which is no LLM")
    return tuple(notes)


def _of(result: Result, which: str | None) -> tuple[str, Finalist | Candidate]:
    sides = {"seed": result.seed, "best": result.best, "champion": result.champion}
    side = result.recommended if which in (None, "recommended") else which
    if side == "champion" and result.champion is None:
        raise InputError(
            "no champion was registered when the run decided", "--prompt", "write best, or seed"
        )
    if found := sides.get(side):
        return side, found
    fitting = [
        one.candidate
        for one in result.standings
        if len(side) >= SHORTEST and one.candidate.id.startswith(side)
    ]
    if len(fitting) != 1:
        raise InputError(
            f"{side!r} names {'several prompts' if fitting else 'no prompt'} of the run",
            "--prompt",
            "write best, seed, champion, or more of the id of a candidate (at least "
            f"{SHORTEST} characters)",
        )
    return f"candidate {fitting[0].id}", fitting[0]


def _step(prompts: Mapping[str, Prompt], step: str) -> tuple[str, Prompt]:
    if step in prompts and step:
        return step, prompts[step]
    if not step and len(prompts) == 1:
        return next(iter(prompts.items()))
    names = ", ".join(one for one in prompts if one != PROMPT)
    raise InputError(
        f"the run has no step {step!r}" if step else f"the run has several prompts: {names}",
        "--step",
        f"name one of: {names}; each is exported by itself"
        if names
        else "leave it out: the run has a single prompt",
    )


def _settings(file: str | None, step: str, result: Result) -> ModelSettings:
    """The model of the run file that the ledger keeps; without one, what the result says."""
    data = _read(file) if file else None
    given: Any = (data or {}).get("model")
    own = (((data or {}).get("steps") or {}).get(step) or {}).get("model")
    if own or given:
        return ModelSettings.model_validate(own or given)
    facts = result.facts
    address = None if facts.embedded else facts.endpoint
    return ModelSettings.model_validate(
        {"name": facts.model or UNNAMED, "base_url": address, **facts.parameters}
    )


def _read(text: str) -> dict[str, Any] | None:
    try:
        return YAML(typ="safe", pure=True).load(StringIO(text))
    except YAMLError:
        return None


_URI = re.compile(r"prompts:/[^/@]+(?:@.+|/\d+)")


def _registered(uri: str, workspace: Path | None) -> Chosen:
    if not _URI.fullmatch(uri):
        raise InputError(
            f"{uri!r} names no registered prompt",
            "RUN|PROMPT",
            "write prompts:/NAME@champion, or prompts:/NAME/VERSION",
        )
    from promptlathe.track.backend import ENVIRONMENT
    from promptlathe.track.store import check_store

    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    last = latest_recorded(workspace)
    store, _ = recorded_in(workspace, last.store if last else "")
    if away := check_store(store):
        raise InputError(away, uri, "start the server, or set MLFLOW_TRACKING_URI to another store")
    version = _version(uri, store)
    config: dict[str, Any] = dict(version.model_config or {})
    config.pop("provider", None)
    model = config.pop("model_name", None)
    from promptlathe.track.registry import read

    prompt = read(version)
    own = dict(prompt.parameters)
    settings = {"name": own.pop("name", None) or model or UNNAMED, **config, **own}
    try:
        made = ModelSettings.model_validate(settings)
    except ValueError as error:
        raise InputError(
            f"its model configuration cannot be used: {hiding()(str(error)).splitlines()[-1]}", uri
        ) from None
    return Chosen(
        name=f"{version.name}-{version.version}",
        prompt=prompt,
        about=f"{version.name} version {version.version} in MLflow's prompt registry",
        model=made,
        notes=(
            ()
            if made.name != UNNAMED
            else (f"the registry names no model: write yours in place of {UNNAMED}",)
        ),
    )


def _version(uri: str, store: str) -> Any:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    name = uri.removeprefix(REGISTERED)
    client = MlflowClient(store, store)
    try:
        if "@" in name:
            found = client.get_prompt_version_by_alias(*name.split("@", 1))
        else:
            found = client.get_prompt_version(*name.split("/", 1))
    except MlflowException as error:
        found, why = None, f": {hiding()(error.message).splitlines()[0]}"
    else:
        why = ""
    if found is None:
        raise InputError(
            f"MLflow has no {uri}{why}",
            "RUN|PROMPT",
            "check the name; the store is that of MLFLOW_TRACKING_URI, else of the latest run",
        )
    return found
