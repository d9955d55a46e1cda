"""Look at a run: modules that read topics and never write to them."""
