"""Tickets and their teams, and a model over HTTP that knows some and may change, for tests of what
happens between runs."""

import json
import random
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.services import Service, completion

WORKSPACE = {
    "search_spaces/space.yaml": {
        "messages": {"system": "{{ task }}", "user": "{{ text }}"},
        "components": {"task": {"choice": {"a": "Name the team.", "b": "Which team?"}}},
    },
    "objectives/objective.yaml": {
        "dataset": [
            {"text": f"Ticket {number}", "label": ("billing", "login", "delivery")[number % 3]}
            for number in range(120)
        ],
        "scorers": [{"exact_match": {"target": "label"}}],
        "splits": {"train": 0.1, "select": 0.4, "test": 0.5},
    },
}


class Model:
    """Knows the teams of `right` of the tickets, and is in doubt about a few."""

    def __init__(self) -> None:
        self.right, self.doubt, self.down = 0.9, 0.04, 0.0
        self.seed_right: float | None = None
        """Of the seed's system message, where it is another."""
        self.fingerprint, self.tokens = "", 2
        self.ends: str | None = None
        self._rng = random.Random(1)

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":  # who asks for the list of models
            if self.ends is None:
                return web.Response(status=404)
            return web.json_response({"data": [{"id": "m", "shutdown_date": self.ends}]})
        body = await request.json()
        number = int(body["messages"][-1]["content"].split()[-1])
        if self._rng.random() < self.down:
            return web.Response(status=500)
        system = body["messages"][0]["content"]
        lower = self.seed_right is not None and not system.startswith("Which")
        right = self.seed_right if lower and self.seed_right is not None else self.right
        sure = random.Random(number).random() < right
        known = self._rng.random() < 0.5 if self._rng.random() < self.doubt else sure
        label = ("billing", "login", "delivery")[number % 3]
        text = label if known else "nobody"
        said = completion(text)
        said["usage"]["completion_tokens"] = self.tokens
        if self.fingerprint:
            said |= {"model": "m-2026-01-01", "system_fingerprint": self.fingerprint}
        return web.Response(text=json.dumps(said), content_type="application/json")


def lay_out(workspace: Path) -> Path:
    """Space and objective of the task, in their folders."""
    for name, content in WORKSPACE.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(json.dumps(content))
    (workspace / "runs").mkdir()
    return workspace


def run_file(workspace: Path, url: str, **more: Any) -> Path:
    content = {
        "space": "../search_spaces/space.yaml",
        "objective": "../objectives/objective.yaml",
        "model": {"name": "m", "base_url": url, "retries": 0},
        "budget": {"calls": 300},
        "track": {"prompt": "teams"},
        **more,
    }
    file = workspace / "runs" / "teams.yaml"
    file.write_text(json.dumps(content))
    return file


def register(workspace: Path, text: str = "Name the team.\n\n{{ text }}") -> None:
    """Version 1 of the prompt, by hand, as the champion."""
    from mlflow.tracking import MlflowClient

    from promptlathe.track import default_uri

    uri = default_uri(workspace / ".promptlathe")
    client = MlflowClient(uri, uri)
    client.create_prompt("teams")
    client.create_prompt_version("teams", [{"role": "user", "content": text.replace(" }}", "}}")
                                            .replace("{{ ", "{{")}])  # fmt: skip
    client.set_prompt_alias("teams", "champion", 1)


def served(service: Service) -> Model:
    model = Model()
    service.handlers.append(model.answer)
    return model
