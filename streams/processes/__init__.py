"""The processes of a run: a worker per stage, and the supervisor that restarts them."""
