"""`python -m wellposed` is the command line."""

from wellposed.cli import main

main()
