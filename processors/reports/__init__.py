"""Reports for people: coverage, maps, pictures, and the yield of models."""
