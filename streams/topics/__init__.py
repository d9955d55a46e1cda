"""The topics: what they hold, how they are created and compared, and how they are read outside any group."""
