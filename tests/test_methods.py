"""Each method of the models stands in one function, whose docstring has its equation and its source."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hdfm"
METHODS = {
    "centring of factors": "factors/hsgp.py:centred",
    "centring of prices": "sales/panel/build.py:centred_log_price",
    "sizing": "factors/hsgp.py:basis_size",
    "spectral density": "factors/kernels.py:root_spectral_density",
    "softplus loadings": "factors/loadings.py:loadings",
    "LKJ root": "hierarchy/lkj.py:correlation_root",
    "zero-sum individual factors": "factors/graph.py:zero_sum_tier",
    "whitening": "hierarchy/whitened.py:whitened_normal",
    "whitening jointly": "hierarchy/whitened.py:whitened_standard_normal",
    "alignment": "factors/align.py:align",
    "kriging": "factors/kriging.py:forecast",
    "own and cross elasticity": "choice/posterior/elasticities.py:elasticity_draws",
    "own elasticity and shrinkage": "sales/posterior/elasticities.py:product_table",
    "selection, in the graph": "sales/graph/selection.py:selection",
    "selection, in the arrow": "sales/laplace/selection.py:Selection",
    "arrow elimination": "sales/laplace/elimination.py:add_products",
    "low-count quadrature": "sales/laplace/low_counts/quadrature.py:integrated",
    "integration points": "sales/laplace/integration.py:integration_points",
}


@pytest.mark.parametrize("place", METHODS.values(), ids=METHODS)
def test_each_method_says_what_it_computes_and_whose_it_is(place):
    path, name = place.split(":")
    tree = ast.parse((PACKAGE / path).read_text())
    (node,) = [node for node in tree.body if getattr(node, "name", None) == name]
    text = ast.get_docstring(node)
    assert ".. math::" in text
    assert "References\n----------\n.. [1]" in text
    assert "[1]_" in text
