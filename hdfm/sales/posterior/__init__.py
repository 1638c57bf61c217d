"""Draws of the sales model and a panel -> elasticities, predictions, prices.

Pure functions.
"""
