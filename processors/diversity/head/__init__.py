"""The head: a small model that learns from ratings and code checks which samples are worth keeping."""
