"""Products that sell little, by Gauss-Hermite quadrature: ``nodes`` -> ``products`` -> ``quadrature``."""
