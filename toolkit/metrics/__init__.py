"""Scores of forecasts, translations and captions."""
