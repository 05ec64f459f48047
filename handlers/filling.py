"""Filling in a form: ``step(filling, event) -> (filling, message)``."""
