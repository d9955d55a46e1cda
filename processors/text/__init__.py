"""Properties of text: its language, refusals, loops, similarity, and its estimated tokens."""
