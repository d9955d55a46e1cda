"""Text as such: its language, refusals, loops, likeness, and how many tokens it will be."""
