"""A posterior of choices -> markets -> probabilities, elasticities, coefficients, shares.

Pure functions.
"""
