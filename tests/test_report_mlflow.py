"""The report where a colleague meets it: among the artifacts on MLflow's page of the run."""

import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.jobs import OBJECTIVE
from tests.reports import SPACE

import promptlathe as pl
from promptlathe.track import default_artifacts, default_uri
from promptlathe.track.ui import ui_server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]


def test_it_works_in_mlflows_frame(tracked: Path):
    from playwright.sync_api import sync_playwright

    budget = pl.Budget(calls=150)
    result = pl.optimize(SPACE, OBJECTIVE, budget=budget, workspace=tracked, report={})
    store = default_uri(tracked / ".promptlathe"), default_artifacts(tracked / ".promptlathe")
    with closing(sqlite3.connect(store[0].removeprefix("sqlite:///"))) as db:
        asked = "SELECT experiment_id FROM runs WHERE run_uuid = ?"
        (experiment,) = db.execute(asked, [result.run_id]).fetchone()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said: list[str] = []
    with (
        ui_server(*store, host="127.0.0.1", port=port) as (url, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        run = f"{url}/#/experiments/{experiment}/runs/{result.run_id}"
        page.goto(f"{run}/artifacts/report.html")
        frame = page.locator("iframe").last
        frame.wait_for(timeout=60_000)
        assert frame.get_attribute("sandbox") == "allow-scripts"
        inner = page.frame_locator("iframe").last
        inner.locator("#filter").wait_for(timeout=60_000)
        fixed = sum(row.change == "fixed" for row in result.rows)
        inner.get_by_label(f"fixed ({fixed})").check()
        assert inner.locator("#rows > details:visible").count() == fixed
        inner.get_by_role("link", name="Mistakes").click()
        assert inner.locator("#mistakes").evaluate("one => one === document.activeElement")
        browser.close()
    assert not [one for one in said if "Content Security Policy" in one or "sandboxed" in one]
