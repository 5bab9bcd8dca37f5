"""Data for the recipes, one family of data a module."""
