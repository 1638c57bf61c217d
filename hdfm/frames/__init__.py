"""Frames of any kind -> checked columns, labels, positions in time, weights, findings.

Knows no model.
"""
