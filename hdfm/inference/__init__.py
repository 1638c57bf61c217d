"""PyMC graphs -> posterior draws."""
