"""Keep rules, which decide about the samples that passed the gates. `registry` has them by name."""
