"""Posterior draws -> intervals, convergence, leave-one-out scores.

Knows no model.
"""
