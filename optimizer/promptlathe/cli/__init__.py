"""The command line: `promptlathe --help`."""

from promptlathe.cli.main import main

__all__ = ["main"]
