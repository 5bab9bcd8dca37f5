"""Texts as integers: words, subwords and characters, each with what a run's folder stores of it."""
