"""One chapter a file, each run as a script: python recipes/stock_prices.py"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports a missing GPU as an error
os.environ.setdefault("MPLBACKEND", "Agg")  # plots go to files, on machines without a screen too
