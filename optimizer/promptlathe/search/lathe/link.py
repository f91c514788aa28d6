"""The logistic link between logits and chances."""

import numpy as np

Array = np.ndarray


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def widened(variance: Array | float) -> Array:
    """The mean of a logistic over a normal is one of the mean over this (MacKay 1992, eq. 10)."""
    return np.sqrt(1 + np.pi / 8 * np.asarray(variance))
