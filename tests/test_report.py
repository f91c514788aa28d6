"""The report of a run: what it says, on real runs."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.jobs import OBJECTIVE
from tests.reports import SPACE, saying, small_run

import promptlathe as pl
from promptlathe import report
from promptlathe.cli.main import main
from promptlathe.decide import Comparison
from promptlathe.decide.recommendation import Kept, recommend
from promptlathe.job.reports import report_path
from promptlathe.report.frame import visible
from promptlathe.report.language import Language
from promptlathe.report.languages import LANGUAGES, LanguageCode
from promptlathe.report.page import report_page
from promptlathe.report.row_html import change_words, rows_html
from promptlathe.report.rows import MOST_ROWS, shown_rows
from promptlathe.report.said import SAID
from promptlathe.report.usage import usage_of
from promptlathe.results import (
    CurvePoint,
    DecidedRow,
    Finalist,
    JudgeReport,
    Result,
    RowAnswer,
    StepReport,
)
from promptlathe.scoring.calibration.calibration import Calibration, Interval

PACKAGE = Path(report.__file__).parent


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("reported")
    return small_run(folder), folder


def test_a_run_leaves_its_report_and_the_command_writes_it_again(finished: tuple[Result, Path]):
    result, folder = finished
    kept = report_path(folder / ".promptlathe", result.run)
    assert kept.read_text("utf-8") == report_page(result)
    out = folder / "again.html"
    named = ["report", "latest", "--workspace", str(folder), "--out", str(out)]
    done = CliRunner().invoke(main, named)
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == kept.read_bytes()
    kept.unlink()
    assert CliRunner().invoke(main, named[:-2]).exit_code == 0
    assert kept.read_bytes() == out.read_bytes()


@pytest.mark.parametrize("promotes", [True, False])
def test_mlflow_is_named_where_the_prompt_will_be(finished: tuple[Result, Path], promotes: bool):
    """A better prompt that nobody registers (`promote: never`) cannot be loaded from there."""
    facts = replace(finished[0].facts, prompt="sorter", promotes=promotes)
    better = replace(
        finished[0], run_id="a" * 32, verdict="better", recommended="best", facts=facts
    )
    assert ("prompts:/sorter@champion" in usage_of(better).mlflow) == promotes
    version = replace(better, registered={"sorter": 3})
    assert "prompts:/sorter@champion" in usage_of(version).mlflow


def test_no_report_is_made_where_none_is_wanted(tmp_path: Path):
    budget = pl.Budget(calls=110)
    result = pl.optimize(
        SPACE, OBJECTIVE, budget=budget, track=False, report=False, workspace=tmp_path
    )
    assert not report_path(tmp_path / ".promptlathe", result.run).parent.exists()


def test_a_report_that_cannot_be_kept_is_a_note(tmp_path: Path):
    state = tmp_path / ".promptlathe"
    state.mkdir()
    (state / "reports").write_text("in the way")
    budget = pl.Budget(calls=110)
    result = pl.optimize(SPACE, OBJECTIVE, budget=budget, track=False, workspace=tmp_path)
    assert any("report could not be written" in note for note in result.notes)


def test_the_page_says_what_was_found(finished: tuple[Result, Path]):
    result, _ = finished
    page = report_page(result)
    for figure in (f"{result.test.seed:.3f}", f"{result.test.best:.3f}"):
        assert figure in page
    for change in ("fixed", "broken"):
        assert page.count(f"<details class={change}") == sum(
            row.change == change for row in result.rows
        )
    assert len(re.findall('<svg class="chart"[^>]*role="img"', page)) >= 3
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    named = set(re.findall(r'(?:url\(#|href="#|aria-labelledby="|for=")([^")\s]+)', page))
    assert named <= set(ids)


def test_the_page_loads_nothing_and_runs_one_script(finished: tuple[Result, Path]):
    page = report_page(finished[0])
    assert page.count("<script") == 1
    assert re.findall(r'(?:src|href)="[^#]', page) == []
    assert "default-src &#39;none&#39;" in page


def test_a_page_is_the_same_each_time(finished: tuple[Result, Path]):
    assert report_page(finished[0]) == report_page(finished[0])


def test_a_run_of_nothing_but_failures_has_a_report(finished: tuple[Result, Path]):
    result, _ = finished
    failed = RowAnswer(None, None, failure="timeout")
    rows = tuple(replace(row, answers=dict.fromkeys(row.answers, failed)) for row in result.rows)
    facts = replace(result.facts, labels=())
    none = replace(
        result, rows=rows, curve=(), found_effects=(), found_in_best=(), standings=(), facts=facts
    )
    page = report_page(none)
    assert page.count("<details class=unknown") == len(rows)
    assert "no estimate of what single choices do" in page
    assert "No held-out row was asked." in report_page(replace(none, rows=()))


def test_a_champion_is_compared_with(finished: tuple[Result, Path]):
    result, _ = finished
    rival = replace(
        result,
        verdict="worse",
        compared_with="champion",
        champion=replace(result.seed, candidate="another"),
        test_champion=replace(result.test, seed=0.987, gain=-0.25, interval=(-0.5, -0.1)),
        recommended="champion",
        reason="the best prompt is worse than the champion",
        opened=3,
        rows=tuple(
            replace(row, answers={**row.answers, "champion": row.answers["seed"]})
            for row in result.rows
        ),
    )
    page = report_page(rival)
    assert "The new prompt is worse than the current champion" in page
    assert "Recommended: keep the current champion." in page
    assert "the new prompt is worse than the champion" in page
    assert "0.987" in page
    assert "opened 3 times" in page
    assert "Le nouveau prompt est moins bon que le champion actuel" in report_page(rival, "fr")


def test_how_far_a_judge_can_be_trusted(finished: tuple[Result, Path]):
    result, _ = finished
    judged = replace(result, facts=replace(result.facts, judge="a-judge"))
    unknown = replace(judged, judges=(JudgeReport("tone", "not calibrated"),))
    assert "was never compared with people" in report_page(unknown)
    sure = Interval(0.9, 0.8, 0.95)
    calibration = Calibration(
        *("tone", "m", "key", "2026-11-27"),
        *(40, 0, 0, None),
        ("no", "yes"),
        ((18, 2), (2, 18)),
        *(sure, sure, None, sure),
        Interval(0.05, -0.02, 0.1),
        0.5,
        sure,
        "mean",
        {},
    )
    page = report_page(
        replace(judged, judges=(JudgeReport("tone", "calibrated", calibration, weight=1.0),))
    )
    assert "agrees with people on 90% of 40 answers" in page
    assert "may be off by 0.120 either way" in page


def test_scores_in_between_are_better_or_worse_and_need_no_labels(finished: tuple[Result, Path]):
    result, _ = finished
    answers = {"seed": RowAnswer("12.1", 0.25, parsed="12.1"), "best": RowAnswer("12.4", 0.75)}
    row = DecidedRow("1", {"text": "مرحبا بالعالم"}, "12.5", answers)
    facts = replace(result.facts, labels=())
    page = report_page(replace(result, rows=(row,), facts=facts))
    assert "Rows that the new prompt made better and worse" in page
    assert "partly right" in page
    assert "Which labels were taken for which" not in page
    assert 'id="label"' not in page


def test_a_chain_shows_its_steps(finished: tuple[Result, Path]):
    result, _ = finished
    steps = {"plan": "the note", "answer": "billing"}
    rows = tuple(
        replace(row, answers={s: replace(a, steps=steps) for s, a in row.answers.items()})
        for row in result.rows
    )

    def chained(side: Finalist) -> Finalist:
        return replace(side, prompts=dict.fromkeys(steps, next(iter(side.prompts.values()))))

    page = report_page(
        replace(
            result,
            rows=rows,
            seed=chained(result.seed),
            best=chained(result.best),
            steps=(StepReport("plan", "m", 3, 1, None, None, 0.5, 0),),
        )
    )
    assert page.count("<dt>plan<dd>the note") == 2 * len(rows)
    assert "Step plan" in page
    assert "run the chain with these texts" in page


def test_the_curve_is_drawn_and_written(finished: tuple[Result, Path]):
    result, _ = finished
    points = tuple(CurvePoint(calls, 0.25, calls / 1000, None, 2) for calls in range(100, 900, 100))
    page = report_page(replace(result, curve=points))
    assert "Estimated score by calls" in page
    assert page.count('<td class="n">0.250</td>') >= len(points)


class Tags(HTMLParser):
    """The tags of a page, and the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, _ in attrs} | {(tag, "")}


NASTY = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "</style></title></textarea></pre><svg onload=alert(1)>",
    "\" onmouseover=alert(1) x='",
    "{{ 7 * 7 }}{% for x in () %} %(name)s %s {0}",
    "]]><!-- --><![CDATA[",
    "\0\x07\x1b[31m\r\u202e\u2066\ud800\ufffe",
    "$x_1$ \\frac \\n END\nEND\n'",
    "שלום עולם مرحبا 你好 \N{PILE OF POO}",
    "&lt;b&gt; &amp; &#0; &nosuch;",
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_others_wrote_is_text(finished: tuple[Result, Path], language: LanguageCode):
    result = finished[0]
    plain = Tags(report_page(saying(result, "plain"), language)).found
    for text in NASTY:
        page = report_page(saying(result, text), language)
        assert Tags(page).found == plain, text
        assert text[0] != "{" or text in page
        assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
        page.encode("utf-8")


@settings(max_examples=15, deadline=None)
@given(text=st.text(st.characters(), max_size=60))
def test_any_text_is_text(text: str):
    rows = [DecidedRow(text, {text: text}, text, {"seed": RowAnswer(text, 0.0, parsed=text)})]
    words = Language("fr")
    shown = shown_rows(rows, 1.0, [text])
    made = visible(rows_html(shown, words, change_words(words, shown, 1.0)))
    alike = shown_rows(
        [DecidedRow("a", {"a": "a"}, "a", {"seed": RowAnswer("a", 0.0, parsed="a")})], 1.0, ["a"]
    )
    plain = rows_html(alike, words, change_words(words, alike, 1.0))
    assert {tag for tag, _ in Tags(made).found} == {tag for tag, _ in Tags(plain).found}
    made.encode("utf-8")


def test_many_rows_with_long_texts_make_a_page_below_3_mb(finished: tuple[Result, Path]):
    long = "<&\x01é漢" * 1600
    answers = {"seed": RowAnswer(long, 0.0), "best": RowAnswer(long, 1.0)}
    rows = tuple(
        DecidedRow(str(n), {"text": long, "more": "short"}, "label", answers) for n in range(5_100)
    )
    page = report_page(replace(finished[0], rows=rows))
    assert len(page.encode()) < 3_000_000
    assert page.count("<details class=fixed") == MOST_ROWS
    assert "100 more rows" in page
    assert "Long texts are cut" in page


def test_a_long_text_stands_whole_where_there_is_room(finished: tuple[Result, Path]):
    long = "word " * 2_000
    row = DecidedRow("1", {"text": long}, None, {"seed": RowAnswer(long, 0.0)})
    page = report_page(replace(finished[0], rows=(row,)))
    assert page.count(long) == 2
    assert "Long texts are cut" not in page


def test_the_catalog_holds_every_text():
    found: set[object] = set()
    options = {"extensions": "jinja2.ext.i18n", "trimmed": "true"}
    for path, method in ((".py", "python"), (".j2", "jinja2")):
        for file in PACKAGE.rglob(f"*{path}"):
            with file.open("rb") as opened:
                keywords = {"_": None, "gettext": None, "ngettext": (1, 2)}
                made = extract(method, opened, keywords, (), options if path == ".j2" else {})
                found |= {message for _, message, _, _ in made}
    with (PACKAGE / "locale" / "fr.po").open("rb") as opened:
        catalog = read_po(opened, locale="fr")
    known = {message.id: message for message in catalog if message.id}
    assert known.keys() == found
    for text, message in known.items():
        said = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(said), text
        assert not message.fuzzy
        first = text if isinstance(text, str) else text[1]
        for one in said:
            assert set(re.findall(r"%\(\w+\)s|%%", one)) <= set(re.findall(r"%\(\w+\)s|%%", first))
            assert not re.search(r" (?:[:;!?»]|%%)|« |\u202f%\(", one), one


def test_french_figures():
    words = Language("fr")
    assert words.number(0.4689) == "0,469"
    assert words.gain(-0.25) == "−0,250"
    assert words.count(12345) == "12\u202f345"
    assert words.percent(0.47) == "47\xa0%"
    assert words.day(datetime(2026, 11, 27, 12, tzinfo=UTC)) == "27 nov. 2026"
    assert words.ngettext("%(shown)s row", "%(shown)s rows", 0) == "%(shown)s ligne"
    assert Language("en").gain(0.0) == Language("en").gain(-0.0001) == "0.000"
    assert Language("en").money(0.000123) == "$0.00012"


def test_every_reason_of_a_recommendation_has_a_translation():
    """As they are written in decide/recommendation.py."""
    by = {"better": (0.2, 0.1, 0.3), "tie": (0.01, -0.1, 0.2), "worse": (-0.2, -0.3, -0.1)}

    def compared(name: str) -> Comparison:
        gain, low, high = by[name]
        return Comparison(0.5, 0.5 + gain, gain, low, high, 50, 0)

    reasons = {
        recommend(
            compared(a), b and compared(b), c and compared(c), kept=Kept(*held), cheaper=cheaper
        ).reason
        for a, (b, c), held, cheaper in product(
            by,
            [(None, None), *product(by, by)],
            product(("kept", "broken", "not shown"), repeat=3),
            (False, True),
        )
    }
    assert reasons <= SAID.keys()
