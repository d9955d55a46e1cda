"""How much the instruction helps to predict the answer (IFD), for many samples in one pass of a model."""
