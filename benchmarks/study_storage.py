"""What a trial costs in Optuna's storages: one journal file for a run, or one SQLite database.

    python benchmarks/study_storage.py [--trials 100]

A trial is what a candidate costs the search: ask, 8 suggestions of 6 levels each, tell. The
sampler is Optuna's default TPE. Medians over the last half of the trials.
"""

import argparse
import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

os.environ.setdefault("OMP_NUM_THREADS", "1")

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend


def storages(folder: Path) -> dict[str, BaseStorage | str | None]:
    return {
        "memory": None,
        "journal file": JournalStorage(JournalFileBackend(os.fspath(folder / "study.journal"))),
        "SQLite": f"sqlite:///{folder / 'study.db'}",
    }


def seconds_of_trials(storage: BaseStorage | str | None, trials: int) -> list[float]:
    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(storage=storage, sampler=sampler, direction="maximize")
    taken: list[float] = []
    for _ in range(trials):
        start = perf_counter()
        trial = study.ask()
        levels = [trial.suggest_categorical(f"c{i}", range(6)) for i in range(8)]
        study.tell(trial, sum(levels))
        taken.append(perf_counter() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    trials = parser.parse_args().trials
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with TemporaryDirectory() as folder:
        for name, storage in storages(Path(folder)).items():
            taken = seconds_of_trials(storage, trials)
            print(f"{name:14}{1000 * median(taken[trials // 2 :]):7.1f} ms a trial")
            if storage is not None:
                start = perf_counter()
                again = storages(Path(folder))[name]
                study = optuna.load_study(study_name=None, storage=again)
                count = len(study.trials)
                print(f"{'':14}{perf_counter() - start:7.2f} s to load {count} trials again")


if __name__ == "__main__":
    main()
