"""Makes the pictures of the report in docs/images again, of a run of the shipped job.

    python docs/report_pictures.py [--out docs/images]

Needs Chromium. At 1600, 1024 and 390 pixels; in light and dark, English and French.
"""

import argparse
import io
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from promptlathe.job import Job, run
from promptlathe.report.page import report_page

ROOT = Path(__file__).parent.parent
PICTURES = (
    # name, language, width, height, scheme, the part on top
    ("report.png", "en", 1600, 1150, "light", "main"),
    ("report-works.png", "en", 1024, 1250, "light", "works"),
    ("report-rows.png", "en", 1024, 1000, "dark", "examples"),
    ("report-phone.png", "fr", 390, 844, "light", "main"),
)


def picture(page: Page, path: Path) -> None:
    """Of what is shown, in 128 colours."""
    shot = Image.open(io.BytesIO(page.screenshot()))
    shot.convert("RGB").quantize(128).save(path, optimize=True)
    print(f"{path}  {path.stat().st_size // 1000} KB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out = parser.parse_args().out
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = ROOT / "runs" / "support_triage.yaml"
        job = Job.load(file, settings=(("track", "false"),), workspace=Path(folder))
        result = run(job)
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, language, width, height, scheme, part in PICTURES:
            html = Path(folder, "page.html")
            html.write_text(report_page(result, language), "utf-8")
            size = {"width": width, "height": height}
            page = chromium.new_page(viewport=size, color_scheme=scheme)
            page.goto(html.as_uri())
            if part == "examples":
                page.locator("#rows > details").nth(1).locator("summary").click()
            if part != "main":
                top = f"document.getElementById('{part}').scrollIntoView({{behavior: 'instant'}})"
                page.evaluate(top)
            picture(page, out / name)
            page.close()
        chromium.close()


if __name__ == "__main__":
    main()
