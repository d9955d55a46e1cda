"""The topics: their table, how they are created and checked, and how they are read outside any consumer group."""
