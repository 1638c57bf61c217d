"""What the estimators share: sampling arguments, seeds, saving, the repr."""

import html
import os
import uuid
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, estimator_html_repr

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import check_names, check_word, shown
from hdfm.hierarchy.hyperparameters import Hyperparameters

LARGEST_SEED = 2**31 - 1
LOG_DENSITY = "log_density"  # what score_samples calls its values
LARGEST_PRIOR = 50_000_000  # predictions
OF_PRIORS = "priors__"


class BayesianEstimator(BaseEstimator):
    """Base of the estimators: everything that does not depend on the model.

    ``PRIORS`` is the class of the argument ``priors``, of which None stands for the default.
    """

    PRIORS: ClassVar[type[Hyperparameters]]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of the constructor; ``deep``, those of ``priors`` too, as ``priors__product_sd``.

        Where ``priors`` is None they are the defaults.
        """
        params = super().get_params(deep=deep)
        priors = self.PRIORS() if self.priors is None else self.priors
        if deep and isinstance(priors, self.PRIORS):
            params |= {f"{OF_PRIORS}{field.name}": getattr(priors, field.name) for field in fields(priors)}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set arguments of the constructor; ``priors__product_sd=0.1`` is one of ``priors``.

        The others stay as they are in ``priors``, which is replaced, or have the defaults where it is None.
        """
        of_priors = {name for name in params if name.startswith(OF_PRIORS)}
        super().set_params(**{name: value for name, value in params.items() if name not in of_priors})
        if of_priors:
            changes = {name.removeprefix(OF_PRIORS): params[name] for name in of_priors}
            self.priors = _changed(self._checked_priors(), changes)
        return self

    def _get_params_html(self, deep: bool = True, *args: Any, **kwargs: Any) -> Any:
        """As scikit-learn's, which would show each hyperparameter as one that the user has set."""
        return super()._get_params_html(False, *args, **kwargs)

    def _checked_priors(self) -> Any:
        priors = self.PRIORS() if self.priors is None else self.priors
        if not isinstance(priors, self.PRIORS):
            article = "an" if self.PRIORS.__name__[0] in "AEIOU" else "a"
            raise InvalidArgumentError(
                f"priors must be {article} {self.PRIORS.__name__} or None; got {shown(priors)}."
            )
        return priors

    def save(self, path: str | os.PathLike) -> Path:
        """Write the estimator to a file; a file that was there is replaced only once all is written.

        The file is a joblib pickle: load only files that you trust. ``idata_.to_netcdf(path)`` writes
        the posterior alone, for other programs.

        Returns
        -------
        pathlib.Path
            Where it was written.
        """
        from hdfm import __version__

        path = Path(path)
        temporary = path.resolve().with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            joblib.dump({"hdfm": __version__, "estimator": self}, temporary, compress=3)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read an estimator that :meth:`save` wrote.

        Raises
        ------
        InvalidDataError
            If the file holds something else.
        """
        try:
            content = joblib.load(path)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise InvalidDataError(f"{path} is not a file written by save: {error}") from error
        estimator = content.get("estimator") if isinstance(content, dict) else None
        if not isinstance(estimator, cls):
            found = type(estimator if estimator is not None else content).__name__
            raise InvalidDataError(f"{path} holds a {found}, not a {cls.__name__} written by save.")
        return estimator

    def _check_sampling(self, one_column: Sequence[str]) -> None:
        """Check what both estimators are constructed with; ``one_column``: roles that take one column."""
        check_names(self.get_params(deep=False), one_column)
        for name, least in (("draws", 4), ("tune", 0), ("chains", 1)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise InvalidArgumentError(
                    f"{name} must be a whole number, at least {least}; got {shown(value)}."
                )
        if not isinstance(self.target_accept, float) or not 0 < self.target_accept < 1:
            raise InvalidArgumentError(
                f"target_accept must lie strictly between 0 and 1; got {self.target_accept!r}."
            )

        if self.checkpoint is not None:
            if self.sampler != "numpyro":
                raise InvalidArgumentError(f'checkpoint needs sampler="numpyro"; got {self.sampler!r}.')
            if not isinstance(self.random_state, Integral):
                raise InvalidArgumentError(
                    "checkpoint needs an int as random_state, or a fit could not be told from another; "
                    f"got {self.random_state!r}."
                )

    def _check_choice(self, name: str, allowed: tuple) -> None:
        check_word(name, getattr(self, name), allowed)

    def _new_seed(self) -> int:
        return int(check_random_state(self.random_state).randint(LARGEST_SEED))

    def _html_repr(self) -> str:
        drawing = estimator_html_repr(self)
        if not hasattr(self, "idata_"):
            return drawing
        table = self._summary_table().to_html(float_format="{:.3f}".format, border=0)
        return f"{drawing}<div><p>{html.escape(self._summary_text())}</p>{table}</div>"

    @abstractmethod
    def _has_roles(self) -> bool:
        """Whether any column has a role."""

    @abstractmethod
    def _summary_table(self) -> pd.DataFrame:
        """The table below the HTML repr of a fitted estimator."""

    @abstractmethod
    def _summary_text(self) -> str:
        """The sentence above that table."""


def _changed(priors, changes):
    """Priors with other values of some fields."""
    names = [field.name for field in fields(priors)]
    unknown = sorted(set(changes).difference(names))
    if unknown:
        raise InvalidArgumentError(
            f"{type(priors).__name__} has no {unknown[0]!r}, which {OF_PRIORS}{unknown[0]} asks for; it has "
            f"{names}."
        )
    return replace(priors, **changes)


def has_roles(estimator: BayesianEstimator) -> bool:
    """Whether any column has a role; where none has, scikit-learn calls ``score_samples`` with X alone.

    Raises
    ------
    AttributeError
        If none has.
    """
    if not estimator._has_roles():
        raise AttributeError("score_samples needs columns with roles: name them in the constructor.")
    return True


def row_scores(values: np.ndarray, X: Any) -> pd.Series:
    """Log predictive densities (n,) by row of X, with its index if it has one."""
    index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(values))
    return pd.Series(values, index=index, name=LOG_DENSITY)


def check_prior_draws(name: str, draws: Any) -> None:
    """The argument ``name`` is a number of draws."""
    if not isinstance(draws, Integral) or isinstance(draws, bool) or draws < 2:
        raise InvalidArgumentError(f"{name} must be a whole number, at least 2; got {draws!r}.")


def check_prior_predictions(draws: Any, rows: int) -> None:
    """``draws`` is a number of draws whose predictions of some rows can be held."""
    check_prior_draws("draws", draws)
    if int(draws) * rows > LARGEST_PRIOR:
        raise InvalidArgumentError(
            f"{draws:,} draws of {rows:,} rows are too many to hold; take fewer draws or rows."
        )
