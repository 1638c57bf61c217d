"""A long frame of sales -> a dense panel of products and periods, and rows to predict.

Knows no PyMC.
"""
