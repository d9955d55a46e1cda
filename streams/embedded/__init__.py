"""The embedded broker, its local language model, and the journal that makes its records and offsets durable."""
