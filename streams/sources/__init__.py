"""The sources of samples: ingested files, and synthesis by models."""
