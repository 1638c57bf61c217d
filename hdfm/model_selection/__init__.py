"""Splitters that find their groups in X, predictions ahead, scores, and a check of intervals.

- ``splitters``: folds of whole groups, rolling origins, all rows.
- ``ahead``: predictions of what was not fitted.
- ``scores``: PSIS-LOO as a score, the one-standard-error rule.
- ``split_time``: parts of the periods, fitted apart and compared.
"""

from hdfm.model_selection.ahead import rolling_predict
from hdfm.model_selection.scores import OneStandardError, loo_scorer
from hdfm.model_selection.split_time import split_time_check
from hdfm.model_selection.splitters import ColumnGroupKFold, RollingOriginSplit, WholeSample

__all__ = [
    "ColumnGroupKFold",
    "OneStandardError",
    "RollingOriginSplit",
    "WholeSample",
    "loo_scorer",
    "rolling_predict",
    "split_time_check",
]
