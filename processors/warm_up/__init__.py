"""Brief experience: a scorer that is trained on a few varied samples before it scores."""
