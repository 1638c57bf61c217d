"""Pure functions of posterior draws and panels."""
