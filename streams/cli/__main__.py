"""``python -m streams.cli``: how the supervisor starts its workers."""

from streams.cli import main

main()
