"""The pictures in docs/images, of a real run of the shipped job: report, guide and MLflow's pages.

    python docs/screenshots.py [--out docs/images]

Runs runs/support_triage.yaml in an empty workspace first. Needs Chromium, which `playwright`
drives (extra `dev`).
"""

import argparse
import io
import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from promptlathe.job import Job, Result, run
from promptlathe.job.stores import STATE
from promptlathe.report.page import report_page
from promptlathe.track.landing import VIEW
from promptlathe.track.store import default_artifacts, default_uri
from promptlathe.track.ui import ui_server

ROOT = Path(__file__).parent.parent
WIDTHS = (1600, 1024, 390)
HEIGHT, COLOURS = 900, 128
SETTLED = 2_000
"""Milliseconds until the icons and the rest of a table are there, too."""
REPORTS = (
    # name, language, width, height, scheme, the part on top
    ("report.png", "en", 1600, 1150, "light", None),
    ("report-works.png", "en", 1024, 1250, "light", "works"),
    ("report-rows.png", "en", 1024, 1000, "dark", "examples"),
    ("report-phone.png", "fr", 390, 844, "light", None),
)
ROOM = """() => {
    document.querySelector('[data-component-id="mlflow.assistant.chat_panel.close"]')?.click();
    document.querySelector('[aria-label="Toggle sidebar"]')?.click();
    document.querySelector('[data-component-id$="table_resizer.collapse"]')?.click();
    [...document.querySelectorAll('button')].find(b => b.textContent.trim() === 'Got it')?.click();
}"""
"""Closes what MLflow has open beside its page."""


class Camera:
    """A browser, and where the pictures go."""

    def __init__(self, browser: Any, out: Path) -> None:
        self._browser, self._out = browser, out

    @contextmanager
    def at(
        self, url: str, width: int, height: int = HEIGHT, scheme: str = "light"
    ) -> Generator[Page]:
        """A page in a window of its own."""
        size = {"width": width, "height": height}
        page = self._browser.new_page(viewport=size, color_scheme=scheme)
        page.goto(url)
        yield page
        page.close()

    def keep(self, page: Page, name: str) -> None:
        """What is shown, in COLOURS colours: a third of the size."""
        path = self._out / name
        shot: Any = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        shot.quantize(COLOURS).save(path, optimize=True)
        print(f"{path}  {path.stat().st_size // 1000} KB")

    def report(self, result: Result, folder: Path) -> None:
        """Its parts, in light and dark, English and French."""
        for name, language, width, height, scheme, part in REPORTS:
            file = folder / name.replace("png", "html")
            file.write_text(report_page(result, language), "utf-8")  # type: ignore[arg-type]
            with self.at(file.as_uri(), width, height, scheme) as page:
                if part == "examples":
                    page.locator("#rows > details").nth(1).locator("summary").click()
                if part:
                    top = (
                        f"document.getElementById('{part}').scrollIntoView({{behavior: 'instant'}})"
                    )
                    page.evaluate(top)
                self.keep(page, name)

    def guide(self, file: Path) -> None:
        for width in WIDTHS:
            with self.at(file.as_uri(), width) as page:
                self.keep(page, f"guide-{width}.png")

    def mlflow(self, url: str, client: MlflowClient, parent: str, prompt: str) -> None:
        """What a colleague meets: all optimizations, the prompt's change, rows, versions."""
        experiment = client.get_run(parent).info.experiment_id
        pages = f"{url}/#/experiments/{experiment}"
        ours = f"tags.mlflow.parentRunId = '{parent}'"
        sides = {
            one.data.tags.get("promptlathe.side"): one.info.run_id
            for one in client.search_runs([experiment], ours)
        }
        compared = f"selectedRunUuid={sides['best']}&compareToRunUuid={sides['seed']}"
        for width in WIDTHS:
            runs, diff = (
                f"/runs?viewStateShareKey={VIEW}",
                f"/runs/{parent}/artifacts/prompt_diff.html",
            )
            self._mlflow(f"{pages}{runs}", "Run Name", width, f"mlflow-run-{width}.png")
            self._mlflow(f"{pages}{diff}", "prompt_diff", width, f"mlflow-diff-{width}.png")
        rows = f"{pages}/evaluation-runs?{compared}"
        self._mlflow(rows, "Comparing", WIDTHS[0], "mlflow-evaluation.png")
        self._mlflow(f"{url}/#/prompts/{prompt}", "champion", WIDTHS[0], "mlflow-prompt.png")

    def _mlflow(self, url: str, until: str, width: int, name: str) -> None:
        with self.at(url, width) as page:
            page.get_by_text(until).first.wait_for(state="attached", timeout=60_000)
            page.wait_for_timeout(SETTLED)
            page.evaluate(ROOM)
            page.wait_for_timeout(SETTLED)
            self.keep(page, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        job = Job.load(ROOT / "runs" / "support_triage.yaml", workspace=Path(folder))
        result = run(job)
        state = Path(folder) / STATE
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        camera = Camera(browser, out)
        camera.report(result, Path(folder))
        camera.guide(next((state / "guides").glob("*.html")))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        store = default_uri(state)
        with ui_server(store, default_artifacts(state), host="127.0.0.1", port=port) as (url, _):
            camera.mlflow(url, MlflowClient(store, store), str(result.run_id), job.prompt_name)
        browser.close()


if __name__ == "__main__":
    main()
