"""Where the files of models are, and how checkpoints are read."""
