"""Answering: a prompt goes to the models that its route names, and what they reply is looked at before it goes on."""
