"""Where it runs: the only package that knows Kafka and the environment."""
