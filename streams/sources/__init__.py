"""Where samples begin: files that are ingested, and prompts that are synthesized."""
