"""Arrays -> PyMC graphs."""
