"""A scorer without refits, and a rule of parsimony."""

import re
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from hdfm.exceptions import InvalidArgumentError


def loo_scorer(estimator: Any, X: Any = None, y: Any = None) -> float:
    """Mean expected log predictive density by PSIS-LOO of the data that the estimator was fitted to.

    For ``scoring=`` of a search: the higher the better. What is scored is the *training* part of a split, by
    leaving out its observations (choice sets, or rows of sales) one by one; X and y are ignored. Use it
    with ``cv=WholeSample()``, which fits each candidate once, to all rows. ``loo().pareto_k`` of the best
    model says whether its figure can be trusted.

    Parameters
    ----------
    estimator : estimator or Pipeline
        A fitted model with a method ``loo``; of a Pipeline the last step.
    X, y : ignored
        There for scikit-learn.

    Returns
    -------
    float
        ``estimator.loo().elpd`` by observation.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from hdfm.model_selection import WholeSample, loo_scorer
    >>> GridSearchCV(model, {"n_factors": [0, 1, 2]}, scoring=loo_scorer, cv=WholeSample())  # doctest: +SKIP
    """
    while isinstance(estimator, Pipeline):
        estimator = estimator[-1]
    if not hasattr(estimator, "loo"):
        raise InvalidArgumentError(
            "loo_scorer needs a model with a method loo, last in its Pipeline; got "
            f"{type(estimator).__name__}."
        )
    result = estimator.loo()
    return float(result.elpd / result.n_data_points)


class OneStandardError:
    r"""The simplest candidate within one standard error of the best, for ``refit=`` of a search [1]_.

    Of candidates c with scores :math:`s_{kc}` in K splits and the best b, the smallest ``parameter`` with

    .. math::

        \mathrm{mean}_k(s_{kb} - s_{kc}) \le \mathrm{sd}_k(s_{kb} - s_{kc}) / \sqrt K ,

    of several with that value the one that scores best. Scores are compared split by split, since what makes
    one window harder to predict than another is common to all candidates. With one split there is no
    standard error, and the best is taken. The training sets of splits overlap, so the error is a rough one.

    Parameters
    ----------
    parameter : str
        Parameter of the grid to keep small, such as ``"n_factors"`` (also of a step of a Pipeline).
    metric : str
        Name of the metric, of a search with several.

    References
    ----------
    .. [1] Breiman, Friedman, Olshen, Stone (1984), "Classification and Regression Trees", section 3.4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from hdfm.model_selection import OneStandardError
    >>> results = {"param_n_factors": np.array([1, 2, 3])}
    >>> results |= {"split0_test_score": np.array([-1.1, -1.01, -1.0])}
    >>> results |= {"split1_test_score": np.array([-1.3, -1.20, -1.2])}
    >>> OneStandardError("n_factors")(results)
    1
    """

    def __init__(self, parameter: str, metric: str = "score"):
        self.parameter = parameter
        self.metric = metric

    def __call__(self, results: dict[str, Any]) -> int:
        """The position of a candidate in ``cv_results_``.

        Raises
        ------
        InvalidArgumentError
            If the search has no such parameter or metric, or every candidate failed.
        """
        size = self._values(results)
        scores = self._scores(results)
        means = scores.mean(axis=0)
        if np.isnan(means).all():
            raise InvalidArgumentError("Every candidate of the search failed in some split.")
        best = int(np.nanargmax(means))
        gaps = scores[:, [best]] - scores
        error = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.zeros_like(means)
        enough = np.flatnonzero(gaps.mean(axis=0) <= error)
        return int(min(enough, key=lambda candidate: (size[candidate], -means[candidate])))

    def _values(self, results):
        names = [name for name in results if name.startswith("param_")]
        columns = [name for name in names if name.removeprefix("param_").split("__")[-1] == self.parameter]
        if len(columns) != 1:
            raise InvalidArgumentError(
                f"The search must vary one parameter {self.parameter!r}; it varies "
                f"{[name.removeprefix('param_') for name in names]}."
            )
        return np.asarray(results[columns[0]], dtype=float)

    def _scores(self, results):
        """Scores (splits, candidates)."""
        form = re.compile(rf"split\d+_test_{re.escape(self.metric)}")
        scores = [results[name] for name in results if form.fullmatch(name)]
        if not scores:
            raise InvalidArgumentError(f"The search has no metric {self.metric!r}.")
        return np.array(scores)
