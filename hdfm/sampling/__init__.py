"""PyMC models -> posterior draws: engines by name, checkpoints, progress, streams of random numbers.

Knows no model.
"""
