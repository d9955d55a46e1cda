"""The work on a sample, without broker and environment; clock, randomness and HTTP transport are arguments."""
