"""Answering: a prompt goes to the models that its route names, and each reply is checked before it is passed on."""
