"""Worlds to search in, schemes that search, and the measuring of regret against calls."""

import os

# Before numpy loads: one process runs on each core, and threads would only get in the way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
