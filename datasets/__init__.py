"""Data for the recipes, one module for each family of data."""
