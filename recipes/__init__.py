"""The chapters, each run as a script: python recipes/stock_prices.py. README.md gives an order to read them in."""
