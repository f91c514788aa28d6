"""Which vectors find demos with the right label: words or character n-grams, on Banking77.

    python benchmarks/nearest.py [--data DIR] [--pool 20] [--rows 1500] [--seeds 3]

For each of `rows` questions, the nearest among a pool of so many questions of each of 77 intents:
how often the first has the question's own intent, and how often one of the first four has it. DIR
is as for banking77.py.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from promptlathe.space.similarity import TextIndex

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
VECTORS = {
    "words": {"token_pattern": r"(?u)\w+"},
    "words and pairs of words": {"token_pattern": r"(?u)\w+", "ngram_range": (1, 2)},
    "4 characters": {"analyzer": "char_wb", "ngram_range": (4, 4)},
    "3 to 5 characters": {"analyzer": "char_wb", "ngram_range": (3, 5)},
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pool", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    text = (given.data / "banking77_train.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    hits: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in range(given.seeds):
        pool, asked = _divided(rows, given.pool, given.rows, seed)
        labels = np.array([row["label"] for row in pool])
        wanted = np.array([row["label"] for row in asked])
        for name, options in VECTORS.items():
            vectorizer = TfidfVectorizer(sublinear_tf=True, **options)
            vectors = vectorizer.fit_transform(row["text"] for row in pool)
            queries = vectorizer.transform(row["text"] for row in asked)
            hits[name].append(_hits((queries @ vectors.T).toarray(), labels, wanted))
        index = TextIndex([row["text"] for row in pool])
        found = np.array([index.cosines(row["text"]) for row in asked])
        hits["as promptlathe does it"].append(_hits(found, labels, wanted))
    for name, found in hits.items():
        first, four = np.mean(found, axis=0)
        print(f"{name:26} first {first:.1%}   among four {four:.1%}")


def _divided(
    rows: list[dict[str, str]], each: int, asked: int, seed: int
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    shuffled = random.Random(seed).sample(rows, len(rows))
    seen: dict[str, int] = defaultdict(int)
    pool, others = [], []
    for row in shuffled:
        seen[row["label"]] += 1
        (pool if seen[row["label"]] <= each else others).append(row)
    return pool, others[:asked]


def _hits(cosines: np.ndarray, labels: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    right = labels[np.argsort(-cosines, axis=1, kind="stable")[:, :4]] == wanted[:, None]
    return float(right[:, 0].mean()), float(right.any(axis=1).mean())


if __name__ == "__main__":
    main()
