"""The files of models: where they are, and how checkpoints are read."""
