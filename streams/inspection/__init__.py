"""Looking at a run: what reads topics and never writes to them."""
