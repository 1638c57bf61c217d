"""Choices drawn from the prior.

Array names and axis order: D draws, n rows; in a category O choice sets, J slots.
"""

from collections.abc import Sequence

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.roles import ChoiceRoles
from hdfm.choice.posterior.draws import choice_draws
from hdfm.choice.posterior.placement import place_fitted
from hdfm.choice.posterior.predict import log_probability_blocks
from hdfm.sampling.streams import Stream, stream


def any_choice(X: pd.DataFrame, roles: ChoiceRoles) -> np.ndarray:
    """A feasible outcome (n,): the first available row of each choice set, or of the first set."""
    available, chosen = np.ones(len(X), dtype=bool), np.zeros(len(X), dtype=int)
    named = isinstance(X, pd.DataFrame)
    if named and roles.availability in X:
        available = (X[roles.availability] == 1).to_numpy()
    rows = np.flatnonzero(available)
    if not named or roles.outside or roles.choice_set not in X:
        chosen[rows[:1]] = 1
        return chosen
    chosen[rows[~X[roles.choice_set].iloc[rows].duplicated().to_numpy()]] = 1
    return chosen


def with_choices(tree: xr.DataTree, panel: ChoicePanel, seed: int, index: pd.Index | Sequence) -> xr.DataTree:
    """A tree of ``prior`` draws with ``prior_predictive``: ``chosen`` (1, D, n), by labels of rows."""
    draws = choice_draws(tree["prior"].to_dataset(), panel)
    chosen = np.zeros((1, draws.n_draws, panel.n_rows), dtype=np.int8)
    rng = stream(seed, Stream.PRIOR_CHOICES)
    for sets in place_fitted(draws, panel):
        # Whole draws, set by set: which numbers a set gets doesn't depend on the size of blocks.
        for piece, draw, log_p, _ in log_probability_blocks(draws, sets, whole_draws=True):
            upto = np.exp(log_p).cumsum(axis=1)
            ends = upto if sets.outside else upto / upto[:, -1:]
            slot = (rng.random((len(piece), 1, ends.shape[2])) >= ends).sum(axis=1)
            o, d = np.nonzero(slot < ends.shape[1])
            rows = sets.choices.row[piece[o], slot[o, d]]
            chosen[0, np.arange(draws.n_draws)[draw][d], rows] = 1
    predictive = az.from_dict(
        {"prior_predictive": {"chosen": chosen}}, dims={"chosen": ["row"]}, coords={"row": np.asarray(index)}
    )
    tree["prior_predictive"] = predictive["prior_predictive"]
    return tree
