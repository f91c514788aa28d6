"""How far a judge may be trusted: its verdicts beside the labels of people."""

from promptlathe.scoring.calibration.calibration import Calibration, Interval, LanguagePart
from promptlathe.scoring.calibration.labels import Labelled, Labels, read_labels

__all__ = ["Calibration", "Interval", "Labelled", "Labels", "LanguagePart", "read_labels"]
