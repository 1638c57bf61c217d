"""The notebooks run from the first cell to the last.

With few draws, which say nothing of convergence: CI looks at that of the same models and data in the fits by
``python -m hdfm``. ``HDFM_NOTEBOOKS=whole`` takes the draws that notebooks do, and asks that they converged.
"""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
WHOLE = os.environ.get("HDFM_NOTEBOOKS") == "whole"
FEW = {"draws": 100, "tune": 100}
VERDICT = ("Converged", "Laplace") if WHOLE else ("Converged", "Not converged", "Laplace")


def with_few_draws(source):
    """The source of a cell whose NUTS has a short chain; other cells as they are."""
    if "tune=" not in source:
        return source
    for name, number in FEW.items():
        source, n = re.subn(rf"\b{name}=\d+", f"{name}={number}", source)
        assert n == 1, source
    return source


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    if not WHOLE:
        sources = [cell.source for cell in notebook.cells]
        for cell in notebook.cells:
            cell.source = with_few_draws(cell.source)
        changed = sum(cell.source != old for cell, old in zip(notebook.cells, sources, strict=True))
        assert changed == any("tune=" in source for source in sources)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": tmp_path}}).execute()
    printed = [
        o["text"] for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stdout"
    ]
    assert any(text.startswith(VERDICT) for text in printed), printed
    assert any("image/png" in o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", []))


def test_notebooks_are_stripped():
    """Outputs are made by running them, not kept."""
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells), path
