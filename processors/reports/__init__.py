"""What a person looks at: coverage, maps, pictures, and the yield of models."""
