"""The report in a browser: axe-core finds no fault, the filter works, without scripts it is whole,
in a frame like MLflow's it runs, and printed nothing is cut."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.reports import saying, small_run

from promptlathe.report.languages import LANGUAGES
from promptlathe.report.page import report_page
from promptlathe.results import Result

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
WIDTHS = (1600, 1024, 390)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return small_run(tmp_path_factory.mktemp("browsed"))


@pytest.fixture(scope="module")
def pages(result: Result, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of the reports, by language; `nasty`: with markup and a long line in all places."""
    folder = tmp_path_factory.mktemp("pages")
    nasty = saying(result, "<b>" + 300 * "long" + "</b> שלום\u202e")
    made = {one: report_page(result, one) for one in LANGUAGES} | {"nasty": report_page(nasty)}
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page, "utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in made}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Any]:
    """Opens an address in a page of so many pixels; what its console complains of is kept."""
    contexts: list[Any] = []

    def open_page(url: str, width: int = 1024, **more: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda said: page.complaints.append(said.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*LANGUAGES, "nasty"])
def test_axe_finds_no_fault(opened: Any, pages: dict[str, str], name: str, scheme: str):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(pages[name], color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []


def test_the_filter(opened: Any, pages: dict[str, str], result: Result):
    page = opened(pages["en"])
    rows, shown = page.locator("#rows > details"), "#rows > details:visible"
    assert rows.count() == len(result.rows)
    fixed = sum(row.change == "fixed" for row in result.rows)
    page.get_by_label(f"fixed ({fixed})").check()
    assert page.locator(shown).count() == fixed
    page.get_by_label("Right answer").select_option("billing")
    expected = [r for r in result.rows if r.change == "fixed" and r.expected == "billing"]
    assert page.locator(shown).count() == len(expected)
    page.get_by_label("Search in rows and answers").fill("nothing has this text")
    assert page.locator(shown).count() == 0
    assert page.get_by_role("status").inner_text().startswith("0 of 0 shown")
    assert page.complaints == []


def test_without_scripts_it_is_whole(opened: Any, pages: dict[str, str], result: Result):
    page = opened(pages["en"], java_script_enabled=False)
    assert page.locator("#rows > details:visible").count() == len(result.rows)
    assert not page.locator("#filter").is_visible()


def test_with_the_keyboard(opened: Any, pages: dict[str, str]):
    page = opened(pages["en"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    row = page.locator("#rows > details").first
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    assert row.get_attribute("open") is not None


def test_in_a_frame_that_allows_scripts_only(opened: Any, pages: dict[str, str], tmp_path: Path):
    """As MLflow shows it."""
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe sandbox="allow-scripts" src="{pages["en"]}" width=900 height=700>')
    page = opened(frame.as_uri())
    inner = page.frame_locator("iframe")
    inner.locator("#filter").wait_for()
    inner.get_by_role("link", name="Mistakes").click()
    assert inner.locator("#mistakes-head").is_visible()
    assert page.complaints == []


def test_nothing_of_others_runs(opened: Any, result: Result, tmp_path: Path):
    run = "document.title='run'"
    text = f'</script></style></pre><script>{run}</script><img src=x onerror="{run}">'
    file = tmp_path / "page.html"
    file.write_text(report_page(saying(result, text)), "utf-8")
    page = opened(file.as_uri())
    assert "prompt report" in page.title()
    assert page.complaints == []


def test_printed_it_holds_every_row(opened: Any, pages: dict[str, str]):
    page = opened(pages["en"])
    page.emulate_media(media="print")
    assert page.locator("#rows > details").last.is_visible()
    assert not page.locator("nav").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#rows > details[open]").count() == 0
