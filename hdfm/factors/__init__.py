"""Latent factors of time: Gaussian processes, loadings, paths, their draws, alignment and tables.

The heart of the house; knows neither choices nor sales.
"""
