"""Settings of the sales model's noise, by a word."""

NO_PATHS = {"demand": "independent", "dispersion": "shared", "elasticity_path": "constant"}
PATHS = {"none": NO_PATHS, "demand": {"elasticity_path": "constant"}, "all": {}}
