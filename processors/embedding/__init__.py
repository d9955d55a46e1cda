"""Sentence embeddings of requests."""
