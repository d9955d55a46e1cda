"""Sentence embeddings of instructions."""
