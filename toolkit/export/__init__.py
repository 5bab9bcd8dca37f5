"""Trained networks for other runtimes, with all that they need there."""
