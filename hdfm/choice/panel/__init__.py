"""A long frame of alternatives -> choice sets by category, and rows to predict.

Knows no PyMC.
"""
