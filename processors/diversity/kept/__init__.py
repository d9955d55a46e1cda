"""The kept samples: all of them on disk, an index to find near duplicates, and the last of each cluster."""
