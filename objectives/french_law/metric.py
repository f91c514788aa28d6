"""Citations in square brackets, such as [civ-9]."""

import re


def citations(row, answer):
    """F1 of the ids that are cited against those that decide; 1 where none is due or cited."""
    known = {article["id"] for article in row["articles"]}
    cited = set(re.findall(r"[\w.-]+-[\w.-]+", " ".join(re.findall(r"\[([^\]]*)\]", answer))))
    due = set(row["cites"])
    both = len(cited | due)
    score = 2 * len(cited & due) / (len(cited) + len(due)) if both else 1.0
    wrong = [f"{one} is none of the articles" for one in sorted(cited - known)]
    missing = [f"{one} is not cited" for one in sorted(due - cited)]
    beside = [f"{one} does not decide" for one in sorted((cited & known) - due)]
    return score, ", ".join(wrong + missing + beside)
