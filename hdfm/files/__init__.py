"""One file per estimator: a zip of .npy arrays and JSON. Knows no model, and reading runs no code."""
