"""What networks are compared with: forecasts, classifiers and compressors that need no network."""
