"""Imported at the start of each process whose PYTHONPATH has this folder: hides packages that only developers have.

transformers imports them if it finds them, which takes each scoring worker two seconds more than a user's.
"""

import sys

for package in ("sklearn", "accelerate"):
    sys.modules[package] = None  # type: ignore[assignment]
