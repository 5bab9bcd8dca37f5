"""One chapter a file, each run as a script: python recipes/stock_prices.py"""
