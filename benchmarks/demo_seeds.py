"""The main job for several seeds: is the gain on held-out rows real each time?

    python benchmarks/demo_seeds.py [--seeds 10] [--policy lathe] [--json OUT]

Each seed is a run of runs/support_triage.yaml in an empty workspace, tracking off.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from promptlathe.job import Job, run

RUN_FILE = Path(__file__).parent.parent / "runs" / "support_triage.yaml"


def one(seed: int, policy: str) -> dict[str, object]:
    """The result of one seed, as JSON-like data."""
    settings = (("search.seed", str(seed)), ("search.policy", policy), ("track", "false"))
    with TemporaryDirectory() as folder:
        job = Job.load(RUN_FILE, settings=settings, workspace=Path(folder))
        result = run(job).to_dict()
    return {"seed_number": seed, "policy": policy, **result}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--policy", default="lathe")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print("seed  test seed  test best   gain   95 % interval     verdict   calls  candidates  s")
    for seed in range(options.seeds):
        row = one(seed, options.policy)
        rows.append(row)
        test = row["test"]
        low, high = test["interval"]
        print(
            f"{seed:4}  {test['seed']:9.3f}  {test['best']:9.3f}  {test['gain']:+.3f}  "
            f"{low:+.3f} to {high:+.3f}  {row['verdict']:>8}  {row['calls']['total']:6}  "
            f"{row['candidates']:10}  {row['seconds']:.0f}",
            flush=True,
        )
    above = sum(row["test"]["interval"][0] > 0 for row in rows)
    mean = sum(row["test"]["gain"] for row in rows) / len(rows)
    print(f"interval above zero: {above} of {len(rows)}; mean gain {mean:+.3f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
