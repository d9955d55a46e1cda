"""Keep rules: which of the samples that passed the gates are kept. `registry` has them by name."""
