"""Draws of the choice model and a panel -> probabilities, elasticities, coefficients, shares.

Pure functions.
"""
