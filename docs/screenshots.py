"""The pictures in docs/images: MLflow's pages of a real run, in headless Chromium.

    python docs/screenshots.py [--workspace DIR] [--out docs/images]

Without --workspace, runs runs/support_triage.yaml in an empty one first. Needs `chromium`.
Chromium is driven through its DevTools protocol, over aiohttp's websockets.
"""

import argparse
import asyncio
import base64
import contextlib
import io
import json
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from PIL import Image

from promptlathe.job import Job, run
from promptlathe.job.stores import STATE
from promptlathe.track.landing import VIEW
from promptlathe.track.store import default_artifacts, default_uri
from promptlathe.track.ui import ui_server

ROOT = Path(__file__).parent.parent
WIDTH, HEIGHT = 1400, 860
WIDTHS = (1600, 1024, 390)
COLOURS = 128
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PATIENCE = 60.0
"""Seconds to wait for a page to show what is wanted."""
HELPERS = """
const sleep = ms => new Promise(done => setTimeout(done, ms));
const withText = text => [...document.querySelectorAll('button, label, span, div, a')]
    .filter(one => one.textContent.trim() === text).pop();
const makeRoom = async () => {
    document.querySelector('[data-component-id="mlflow.assistant.chat_panel.close"]')?.click();
    document.querySelector('[aria-label="Toggle sidebar"]')?.click();
    await sleep(800);
};
"""
OPEN = (
    HELPERS
    + """
await makeRoom();
withText('Got it')?.click();
await sleep(500);
"""
)
COMPARED = (
    HELPERS
    + """
await makeRoom();
document.querySelector('[data-component-id$="table_resizer.collapse"]')?.click();
await sleep(500);
"""
)


class Page:
    """A browser's page; one command at a time."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a DevTools command and wait for its answer; events in between are dropped."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer = json.loads(await self._socket.receive_str())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    async def script(self, body: str) -> Any:
        """Run the body of an async function in the page; what it returns."""
        result = await self.command(
            "Runtime.evaluate",
            expression=f"(async () => {{ {body} }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    async def open(self, url: str, *, until: str) -> None:
        """Load a page and wait until `until` stands in its text."""
        await self.command("Page.navigate", url="about:blank")
        await self.command("Page.navigate", url=url)
        wanted = f"return document.body?.innerText.includes({json.dumps(until)})"
        for _ in range(int(PATIENCE / 0.25)):
            if await self.script(wanted):
                await asyncio.sleep(2.0)  # icons and the rest of the table
                return
            await asyncio.sleep(0.25)
        raise TimeoutError(f"{url} never showed {until!r}")

    async def resize(self, width: int) -> None:
        """The window, whose height stays."""
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )

    async def picture(self, path: Path) -> None:
        """Of the window, in COLOURS colours: a third of the size."""
        shot = await self.command("Page.captureScreenshot", format="png")
        whole: Any = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
        whole.quantize(COLOURS).save(path, optimize=True)
        print(f"{path}  {path.stat().st_size // 1000} KB")


@contextlib.asynccontextmanager
async def chromium() -> AsyncGenerator[Page]:
    """A browser with an empty profile, gone afterwards."""
    command = shutil.which("chromium") or shutil.which("chromium-browser")
    if command is None:
        raise SystemExit("chromium is not installed")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [command, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(profile, "DevToolsActivePort"))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tabs = await answer.json()
                url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                async with session.ws_connect(url, max_msg_size=0) as devtools:
                    page = Page(devtools)
                    await page.command("Page.enable")
                    await page.resize(WIDTH)
                    yield page
        finally:
            process.terminate()
            process.wait()


async def _port(file: Path) -> int:
    for _ in range(int(PATIENCE / 0.1)):
        if file.exists() and "\n" in (text := file.read_text()):
            return int(text.split()[0])
        await asyncio.sleep(0.1)
    raise TimeoutError("Chromium did not start")


async def take(url: str, state: Path, out: Path) -> None:
    """All pictures, of the newest run in the store."""
    with contextlib.closing(sqlite3.connect(default_uri(state).removeprefix("sqlite:///"))) as db:
        experiment, parent = db.execute(
            "SELECT r.experiment_id, r.run_uuid FROM runs r JOIN tags t USING (run_uuid) "
            "WHERE t.key = 'promptlathe.kind' AND t.value = 'optimization' "
            "ORDER BY r.start_time DESC"
        ).fetchone()
        sides = dict(
            db.execute(
                "SELECT s.value, s.run_uuid FROM tags s JOIN tags p USING (run_uuid) "
                "WHERE s.key = 'promptlathe.side' AND p.key = 'mlflow.parentRunId' AND p.value = ?",
                [parent],
            ).fetchall()
        )
    pages = f"{url}/#/experiments/{experiment}"
    async with chromium() as page:
        for width in WIDTHS:
            await page.resize(width)
            await page.open(f"{pages}/runs?viewStateShareKey={VIEW}", until="Run Name")
            await page.script(OPEN)
            name = "mlflow-run.png" if width == WIDTHS[0] else f"mlflow-run-{width}.png"
            await page.picture(out / name)
            diff = f"{pages}/runs/{parent}/artifacts/prompt_diff.html"
            await page.open(diff, until="prompt_diff")
            await page.script(OPEN)
            await page.picture(out / f"mlflow-diff-{width}.png")
        await page.resize(WIDTH)
        compared = f"selectedRunUuid={sides['best']}&compareToRunUuid={sides['seed']}"
        await page.open(f"{pages}/evaluation-runs?{compared}", until="Comparing")
        await page.script(COMPARED)
        await page.picture(out / "mlflow-evaluation.png")
        await page.open(f"{url}/#/prompts/support-triage", until="champion")
        await page.script(HELPERS + "await makeRoom();")
        await page.picture(out / "mlflow-prompt.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        workspace = options.workspace or Path(folder)
        if not options.workspace:
            run(Job.load(ROOT / "runs" / "support_triage.yaml", workspace=workspace))
        state = workspace / STATE
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        store = default_uri(state), default_artifacts(state)
        with ui_server(*store, host="127.0.0.1", port=port) as (url, _):
            asyncio.run(take(url, state, options.out))


if __name__ == "__main__":
    main()
