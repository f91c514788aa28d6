"""The guide of an experiment in Markdown."""

import re
from collections.abc import Iterable, Iterator, Sequence

from promptlathe.records import Prompt
from promptlathe.report.guide.gathered import BasePrompt, Chapter, Finding, Guide, HardRow, RunLine
from promptlathe.report.language import Language

MOST_FINDINGS, MOST_PROMPTS = 15, 5
SHORT = 140
"""Characters of a row's text, an answer, a level."""
_MEANT = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&-])")
_FENCE = re.compile("`{3,}")


def markdown(guide: Guide, language: Language, *, reports: str = "") -> str:
    """CommonMark with tables; what users and models wrote is escaped.

    reports: what stands before `RUN.html` in links to the runs' reports; empty: no links.
    """
    return "\n\n".join(_Page(language, reports).of(guide)) + "\n"


class _Page:
    """Blocks of the page, in one language."""

    def __init__(self, language: Language, reports: str) -> None:
        self._in, self._reports = language, reports
        self._, self.ngettext = language.gettext, language.ngettext

    def of(self, guide: Guide) -> Iterator[str]:
        _, ngettext = self._, self.ngettext
        yield "# " + _("Guide to %(name)s") % {"name": escaped(guide.experiment)}
        if not guide.chapters:
            yield _("No run of this experiment has a result yet.")
        else:
            said = ngettext("%(n)s finished run.", "%(n)s finished runs.", guide.runs)
            said %= {"n": self._in.count(guide.runs)}
            yield (
                said
                + " "
                + _(
                    "What several runs found is not averaged: a run learns from the earlier ones "
                    "and may score the same rows. What counts is the latest estimate; beside it "
                    "stands the range of all."
                )
            )
        if guide.unread:
            said = ngettext(
                "%(n)s run was recorded by another version and is left out.",
                "%(n)s runs were recorded by another version and are left out.",
                guide.unread,
            )
            yield said % {"n": self._in.count(guide.unread)}
        for chapter in guide.chapters:
            yield from self._chapter(chapter)

    def _chapter(self, chapter: Chapter) -> Iterator[str]:
        _ = self._
        names = {"objective": escaped(chapter.objective), "model": escaped(chapter.model)}
        yield "## " + _("%(objective)s on %(model)s") % names
        if chapter.embedded:
            yield _("This is the embedded pocket model: nothing here says anything about an LLM.")
        yield _("Goal: %(goal)s. From %(first)s to %(last)s: %(calls)s calls, %(usd)s.") % {
            "goal": escaped(chapter.goal),
            "first": self._in.day(chapter.lines[0].at),
            "last": self._in.day(chapter.latest.at),
            "calls": self._in.count(chapter.calls),
            "usd": _("cost unknown") if chapter.usd is None else self._in.money(chapter.usd),
        }
        yield from self._findings(chapter)
        yield from self._average(chapter)
        yield from self._prompts(chapter.prompts)
        yield from self._hard(chapter)
        yield from self._runs(chapter.lines)

    def _findings(self, chapter: Chapter) -> Iterator[str]:
        _, ngettext = self._, self.ngettext
        yield "### " + _("What works in the best prompt")
        clear = [one for one in chapter.findings if one.standing != "undecided"]
        open_ = len(chapter.findings) - len(clear)
        if clear:
            yield _(
                "Points of the score (1 is 100 points) that a choice gains over another one, all "
                "else kept, by the latest run that tells; with its 95 % interval."
            )
            head = (_("part"), _("choice"), _("over"), _("points"), _("95 % interval"))
            head += (_("all runs"), _("since"))
            yield table(head, [self._finding(one) for one in clear[:MOST_FINDINGS]])
        else:
            yield _("Nothing is clear yet.")
        if open_:
            said = ngettext(
                "%(n)s comparison is undecided: its interval holds zero. More rows would tell.",
                "%(n)s comparisons are undecided: their intervals hold zero. More rows would tell.",
                open_,
            )
            yield said % {"n": self._in.count(open_)}

    def _finding(self, one: Finding) -> tuple[str, ...]:
        gain = self._in.gain
        every = gain(one.lowest, 1)
        if one.runs > 1:
            said = self.ngettext("%(n)s run", "%(n)s runs", one.runs) % {
                "n": self._in.count(one.runs)
            }
            every = self._range(one.lowest, one.highest) + f" ({said})"
        return (
            short(one.component),
            short(one.level),
            short(one.over),
            gain(one.effect, 1),
            self._range(one.low, one.high),
            every,
            self._in.day(one.since),
        )

    def _range(self, low: float, high: float, digits: int = 1) -> str:
        return self._("%(low)s to %(high)s") % {
            "low": self._in.gain(low, digits),
            "high": self._in.gain(high, digits),
        }

    def _average(self, chapter: Chapter) -> Iterator[str]:
        """Of a level, whatever the others are: for whoever writes another prompt."""
        if not chapter.average:
            return
        _ = self._
        yield "### " + _("What helps and what hurts on average")
        yield _("Against the mean over a part's choices, whatever the other parts are; latest run.")
        head = (_("part"), _("choice"), _("points"), _("95 % interval"))
        ends = [*chapter.average[:MOST_FINDINGS], *chapter.average[MOST_FINDINGS:][-MOST_FINDINGS:]]
        rows = [
            (
                short(one.component),
                short(one.level),
                self._in.gain(one.effect, 1),
                self._range(one.low, one.high),
            )
            for one in ends
        ]
        yield table(head, rows)

    def _prompts(self, prompts: Sequence[BasePrompt]) -> Iterator[str]:
        _ = self._
        yield "### " + _("Prompts to begin with")
        if not prompts:
            yield _("No run found a prompt other than the one it began with.")
        for one in prompts[:MOST_PROMPTS]:
            yield from self._prompt(one)
        if (left := len(prompts) - MOST_PROMPTS) > 0:
            said = self.ngettext(
                "%(n)s older one is left out.", "%(n)s older ones are left out.", left
            )
            yield said % {"n": self._in.count(left)}

    def _prompt(self, one: BasePrompt) -> Iterator[str]:
        _, line = self._, one.line
        versions = ", ".join(f"`prompts:/{name}/{n}`" for name, n in one.promoted.items())
        yield "#### " + (versions or _("Best of the run %(run)s") % {"run": f"`{line.run}`"})
        said = (
            _(
                "%(verdict)s than %(rival)s: %(seed)s → %(best)s, gain %(gain)s (%(interval)s) on "
                "%(rows)s held-out rows, opened %(opened)s."
            )
            if line.verdict != "no significant gain"
            else _(
                "%(verdict)s over %(rival)s: %(seed)s → %(best)s, gain %(gain)s (%(interval)s) on "
                "%(rows)s held-out rows, opened %(opened)s."
            )
        )
        times = self.ngettext("%(n)s time", "%(n)s times", line.opened)
        yield said % {
            "verdict": f"**{self._verdict(line.verdict)}**",
            "rival": self._rival(line.compared_with),
            "seed": self._in.number(line.seed),
            "best": self._in.number(line.best),
            "gain": self._in.gain(line.gain),
            "interval": self._range(line.low, line.high, 3),
            "rows": self._in.count(line.rows),
            "opened": times % {"n": self._in.count(line.opened)},
        }
        yield _("As text: %(command)s") % {"command": f"`promptlathe export {line.run} --to text`"}
        for name, prompt in one.prompts.items():
            if len(one.prompts) > 1:
                yield f"**{escaped(name)}**"
            yield fenced(written(prompt))

    def _hard(self, chapter: Chapter) -> Iterator[str]:
        _, ngettext = self._, self.ngettext
        yield "### " + _("Rows that no prompt gets right")
        if not chapter.hard:
            yield _("There is none.")
        else:
            said = ngettext(
                "%(n)s of %(rows)s held-out rows: see whether its answer is wrong, or whether "
                "a rule is missing that nobody wrote.",
                "%(n)s of %(rows)s held-out rows: see whether their answers are wrong, or whether "
                "a rule is missing that nobody wrote.",
                chapter.hard_in_all,
            )
            counts = {"n": chapter.hard_in_all, "rows": chapter.rows}
            yield said % {name: self._in.count(one) for name, one in counts.items()}
            head = (_("row"), _("text"), _("right answer"), _("usual answer"), _("prompts"))
            yield table(head, [self._row(one) for one in chapter.hard])
        if chapter.flips:
            said = ngettext(
                "Prompts disagree about %(n)s further row.",
                "Prompts disagree about %(n)s further rows.",
                chapter.flips,
            )
            yield said % {"n": self._in.count(chapter.flips)}

    def _row(self, hard: HardRow) -> tuple[str, ...]:
        row = hard.row
        return (
            short(row.example),
            short(" / ".join(row.fields.values())),
            "–" if row.expected is None else short(row.expected),
            short(hard.usual),
            self._in.count(hard.asked),
        )

    def _runs(self, lines: Sequence[RunLine]) -> Iterator[str]:
        _ = self._
        yield "### " + _("Runs")
        head = (_("ended"), _("run"), _("verdict"), _("compared with"), _("before"), _("after"))
        head += (
            _("gain"),
            _("95 % interval"),
            _("rows"),
            _("opened"),
            _("calls"),
            _("cost"),
            "MLflow",
        )
        yield table(head, [self._line(one) for one in reversed(lines)])

    def _line(self, line: RunLine) -> tuple[str, ...]:
        name = f"`{line.run}`"
        return (
            self._in.day(line.at),
            f"[{name}]({self._reports}{line.run}.html)" if self._reports else name,
            self._verdict(line.verdict),
            self._rival(line.compared_with),
            self._in.number(line.seed),
            self._in.number(line.best),
            self._in.gain(line.gain),
            self._range(line.low, line.high, 3),
            self._in.count(line.rows),
            self._in.count(line.opened),
            self._in.count(line.calls),
            "–" if line.usd is None else self._in.money(line.usd),
            f"`{line.mlflow}`" if line.mlflow else "–",
        )

    def _verdict(self, verdict: str) -> str:
        _ = self._
        known = {
            "better": _("does better"),
            "worse": _("does worse"),
            "no significant gain": _("no significant gain"),
        }
        return known[verdict]

    def _rival(self, rival: str) -> str:
        _ = self._
        return {"seed": _("the starting prompt"), "champion": _("the champion")}[rival]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escaped(text: object) -> str:
    """A text of one line that Markdown shows as it is."""
    return _MEANT.sub(r"\\\1", " ".join(str(text).split()))


def short(text: object) -> str:
    """The same, cut at SHORT characters; of nothing a dash."""
    line = " ".join(str(text).split())
    return escaped(line if len(line) <= SHORT else f"{line[: SHORT - 1]}…") or "–"


def fenced(text: str) -> str:
    """A block of code, whatever stands in it."""
    longest = max((len(found) for found in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def written(prompt: Prompt) -> str:
    """The messages of a prompt, one after the other."""
    return "\n\n".join(f"[{message.role}]\n{message.text}" for message in prompt.messages)
