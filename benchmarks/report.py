"""How long a report takes, and how large it is: a run with many held-out rows and long outputs.

A process of its own each time, imports included. The rows are made up (words in two languages, with
markup and signs that are escaped); everything else is a real run of the pocket model.
"""

import argparse
import pickle
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from promptlathe.job import Job, run
from promptlathe.results import DecidedRow, Result, RowAnswer

ROOT = Path(__file__).parent.parent
TEXT = "le colis est arrivé <b>cassé</b> & the invoice “4711” isn't right 配送 für Öl; x<y"
CHILD = """
import pickle, resource, sys, time
began = time.perf_counter()
from promptlathe.report.page import report_page
with open(sys.argv[1], "rb") as file:
    result = pickle.load(file)
loaded = time.perf_counter()
page = report_page(result, sys.argv[2])
done = time.perf_counter()
used = resource.getrusage(resource.RUSAGE_SELF)
print(done - began, done - loaded, used.ru_utime + used.ru_stime, len(page.encode()))
"""


def rows(count: int, characters: int) -> tuple[DecidedRow, ...]:
    """Some fixed, some broken; each with two fields and two long answers."""
    rng = random.Random(0)

    def text(length: int) -> str:
        return " ".join(rng.choices(TEXT.split(), k=max(1, length // 6)))

    def answer(value: float) -> RowAnswer:
        said = text(characters)
        return RowAnswer(said, value, parsed=said.split()[0], state="answered")

    return tuple(
        DecidedRow(
            f"row-{number}",
            {"text": text(600), "lang": rng.choice(("en", "fr"))},
            rng.choice(("billing", "delivery", "how_to")),
            {"seed": answer(rng.random() < 0.4), "best": answer(rng.random() < 0.7)},
        )
        for number in range(count)
    )


def measured(result: Result, language: str) -> tuple[float, float, float, int]:
    """Seconds in all, of them without imports, of processors; and bytes."""
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        pickle.dump(result, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, "-c", CHILD, file.name, language],
            capture_output=True,
            text=True,
            check=True,
        )
    whole, built, used, size = done.stdout.split()
    return float(whole), float(built), float(used), int(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[143, 1000, 5000])
    parser.add_argument("--characters", type=int, default=4000, help="of an answer")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = ROOT / "runs" / "support_triage.yaml"
        settings = (("track", "false"), ("budget.calls", "600"))
        result = run(Job.load(file, settings=settings, workspace=Path(folder)))
    print("rows   language  seconds (best of repeats)  without imports  processor  MB")
    for count in options.rows:
        given = replace(result, rows=rows(count, options.characters))
        for language in ("en", "fr"):
            every = [measured(given, language) for _ in range(options.repeats)]
            whole, built, used = (min(one[part] for one in every) for part in range(3))
            print(
                f"{count:<6} {language:9} {whole:>24.2f}  {built:>15.2f}  {used:>9.2f}  "
                f"{every[0][3] / 1e6:.2f}"
            )


if __name__ == "__main__":
    main()
