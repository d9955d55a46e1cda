"""Language models over HTTP: a client that keeps to limits, deadlines and a budget."""
