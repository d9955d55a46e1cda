"""Measurements: each is a program of its own that prints its figures, with `--json` as one line for machines."""
