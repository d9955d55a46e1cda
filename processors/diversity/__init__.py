"""Which samples add something: the fold that decides, its clusters, its rules and its memory."""
