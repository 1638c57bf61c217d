"""What the estimators share: sampling arguments, seeds, saving, the repr."""

import html
import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, estimator_html_repr
from sklearn.utils.metadata_routing import MetadataRequest

from hdfm.exceptions import InvalidArgumentError, InvalidDataError
from hdfm.frames.columns import check_names, check_word, shown
from hdfm.hierarchy.hyperparameters import Hyperparameters
from hdfm.sampling.engines import Engine, engine_of, inferences, samplers

if TYPE_CHECKING:
    from hdfm.files.records import Schema
    from hdfm.sampling.checkpoint import NoCheckpoint
    from hdfm.sampling.settings import SamplingSettings

LARGEST_SEED = 2**31 - 1
LOG_DENSITY = "log_density"  # what score_samples calls its values
LARGEST_PRIOR = 50_000_000  # predictions
OF_PRIORS = "priors__"
ROUTED, ROUTED_METHODS = "_metadata_request", ("fit", "predict", "predict_proba", "score")


class BayesianEstimator(BaseEstimator):
    """Base of the estimators: everything that does not depend on the model.

    ``PRIORS`` is the class of the argument ``priors``, of which None stands for the default; ``ENGINES`` are
    those of the arguments ``inference`` and ``sampler``. Draws do not depend on the arguments
    ``NOT_OF_DRAWS``.
    """

    PRIORS: ClassVar[type[Hyperparameters]]
    ENGINES: ClassVar[tuple[Engine, ...]]
    NOT_OF_DRAWS: ClassVar[frozenset[str]] = frozenset({"progressbar", "checkpoint"})

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

        The file is a zip archive of arrays and JSON, with the number of its format and the versions that
        wrote it; later versions of hdfm read it. ``idata_.to_netcdf(path)`` writes the posterior alone, for
        other programs.

        Parameters
        ----------
        path : str or os.PathLike
            ``~`` is the user's folder; folders that are missing are made.

        Returns
        -------
        pathlib.Path
            Where it was written.

        Raises
        ------
        InvalidArgumentError
            If the estimator is of a class of your own, or holds an object that such files can't, which the
            message names; no file is touched then. ``pickle`` and ``joblib`` keep both.
        """
        from hdfm.files.store import write_state

        if not _has_schema(type(self)):
            raise InvalidArgumentError(
                f"{type(self).__name__} can't be saved: it is a class of your own, and reading a file would "
                "have to run its code. joblib.dump(model, path) keeps it."
            )
        state: Any = self.__getstate__()
        if ROUTED in state:
            state[ROUTED] = _routes(state[ROUTED])
        return write_state(path, self._schema(), state)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Read an estimator that :meth:`save` wrote, in this version of hdfm or an earlier one.

        Reading runs no code that a file could bring along: nothing is made of it but arrays, tables, text,
        numbers, dates and the dataclasses of the model.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InvalidDataError
            If the file is damaged, written by a later version of hdfm, of another estimator, or something
            else, a pickle for example.
        """
        from hdfm.files.store import read_state, reading

        path, schema = Path(path).expanduser(), cls._schema()
        state = read_state(path, schema if _has_schema(cls) else replace(schema, estimator=cls.__name__))
        with reading(path):
            return cls._from_state(state)

    @classmethod
    def _from_state(cls, state: dict[str, Any]) -> Self:
        """The estimator with these attributes; arguments that are not among them have their defaults."""
        arguments = cls._get_param_names()
        attributes = {name: value for name, value in state.items() if name not in arguments}
        odd = [name for name in attributes if hasattr(cls, name) or not name.isidentifier()]
        if odd:
            raise InvalidDataError(f"{cls.__name__} has no attribute {odd[0]!r} to be set")
        estimator = cls(**{name: state[name] for name in arguments if name in state})
        if ROUTED in attributes:
            attributes[ROUTED] = _request(attributes[ROUTED], estimator)
        estimator.__setstate__(attributes)
        return estimator

    @classmethod
    @abstractmethod
    def _schema(cls) -> "Schema":
        """What files of the estimator hold; a class of a user's own has none."""

    def _check_sampling(self, one_column: Sequence[str]) -> None:
        """Check what both estimators are constructed with; ``one_column``: roles that take one column."""
        check_names(self.get_params(deep=False), one_column)
        check_word("inference", self.inference, inferences(self.ENGINES))
        check_word("sampler", self.sampler, samplers(self.ENGINES))
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
            self._check_checkpoint()

    def _check_checkpoint(self) -> None:
        """Refuse what has no blocks of draws to go on from."""
        if not isinstance(self.checkpoint, str | os.PathLike) or not os.fspath(self.checkpoint):
            raise InvalidArgumentError(
                f"checkpoint must be the path of a folder, or None; got {shown(self.checkpoint)}."
            )
        resuming = [engine for engine in self.ENGINES if engine.resumes]
        if self.inference not in inferences(resuming):
            raise InvalidArgumentError(
                f"checkpoint needs {resuming[0].argument}, whose draws come in blocks; got "
                f"{self.inference!r}, which is done in one go. Leave checkpoint out."
            )
        if self.sampler not in samplers(resuming):
            able = f'sampler="{resuming[0].sampler}"'
            raise InvalidArgumentError(
                f"checkpoint needs {able}; got {self.sampler!r}, which can't go on from a block. "
                f"Take {able}, or leave checkpoint out."
            )
        if not isinstance(self.random_state, Integral):
            raise InvalidArgumentError(
                "checkpoint needs an int as random_state, or a fit could not be told from another; "
                f"got {self.random_state!r}."
            )

    def _kept(self, panel: Any) -> "NoCheckpoint":
        """Where blocks of draws are kept until the fit of a panel has ended, a context."""
        from hdfm.sampling.checkpoint import Checkpoint, NoCheckpoint
        from hdfm.sampling.identity import identity_of

        if self.checkpoint is None:
            return NoCheckpoint()
        params = self.get_params(deep=True)
        arguments = {name: params[name] for name in params.keys() - self.NOT_OF_DRAWS - {"priors"}}
        return Checkpoint(self.checkpoint, identity_of(type(self).__name__, arguments, panel))

    def _settings(self, seed: int, checkpoint: "NoCheckpoint", **own: Any) -> "SamplingSettings":
        """How to sample, ``own`` to the model among it."""
        from hdfm.sampling.settings import SamplingSettings

        return SamplingSettings(
            draws=self.draws,
            tune=self.tune,
            chains=self.chains,
            target_accept=self.target_accept,
            seed=seed,
            progressbar=self.progressbar,
            checkpoint=checkpoint,
            **own,
        )

    def _engine(self) -> Engine:
        """The engine that the arguments ask for."""
        return engine_of(self.ENGINES, self.inference, self.sampler)

    def _fitted_engine(self) -> Engine:
        """The engine that made the fit."""
        return engine_of(self.ENGINES, self.idata_.attrs["inference"])

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


def _has_schema(estimator):
    """Whether files know a class itself, and not the one that it derives from."""
    return "_schema" in vars(estimator)


def _routes(request):
    """What ``set_score_request`` and the like have set, by method."""
    return {method: dict(getattr(request, method).requests) for method in ROUTED_METHODS}


def _request(routes, estimator):
    """The object in which scikit-learn keeps that."""
    request = MetadataRequest(estimator)
    for method in ROUTED_METHODS:
        for name, alias in routes[method].items():
            getattr(request, method).add_request(param=name, alias=alias)
    return request


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
