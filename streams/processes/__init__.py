"""Who runs what: a worker per stage, and the supervisor that starts them again."""
