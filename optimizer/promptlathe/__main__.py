"""`python -m promptlathe`."""

from promptlathe.cli import main

main()
