"""The pipeline at run time: the only package that knows Kafka and the environment."""
