"""What happens to a sample: no broker, no environment; clock, randomness and HTTP transport come in as arguments."""
