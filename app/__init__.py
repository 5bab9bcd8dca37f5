"""A page to try trained networks in the browser: python -m app"""
