"""Other optimizers, each run by itself in an interpreter that has it; see ../../peers.py."""
