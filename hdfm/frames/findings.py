"""What in data can't inform a model, as a table."""

from collections.abc import Iterable, Sequence

import pandas as pd

from hdfm.frames.columns import examples

COLUMNS = ["finding", "count", "examples", "consequence"]


def findings_table(findings: Iterable[tuple[str, Sequence | pd.Index, str]]) -> pd.DataFrame:
    """Findings as name, labels and consequence: one row each, those without labels left out."""
    rows = [(name, len(labels), examples(labels), text) for name, labels, text in findings if len(labels)]
    return pd.DataFrame(rows, columns=COLUMNS)
