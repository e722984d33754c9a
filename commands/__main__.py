"""`python -m commands` is `syms`."""

from commands.app import main

main()
