"""A posterior of choices, and the markets that it is asked about.

Array names and axis order: in a category O choice sets, J slots; n rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hdfm.choice.panel.layout import to_rows
from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.rows import EncodedChoices
from hdfm.choice.posterior.draws import ChoiceDraws, extend_draws
from hdfm.choice.posterior.placement import PlacedSets, place_fitted, place_sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Choice sets in question, with the draws that are theirs.

    Attributes
    ----------
    panel : ChoicePanel
        The choice sets of the fit.
    encoded : EncodedChoices or None
        Those in question; None where they are those of the fit.
    draws : ChoiceDraws
        In which every customer and period has a position.
    sets : tuple of PlacedSets
        By category.
    groups : pandas.DataFrame
        Labels of all choice sets, by position, whose combinations answers tell apart; without columns none.
    """

    panel: ChoicePanel
    encoded: EncodedChoices | None
    draws: ChoiceDraws
    sets: tuple[PlacedSets, ...]
    groups: pd.DataFrame

    @property
    def choice_set(self) -> pd.Index:
        """Labels of all choice sets."""
        return self.panel.choice_set if self.encoded is None else self.encoded.choice_set

    @property
    def n_rows(self) -> int:
        """Number of rows n of their frame."""
        return self.panel.n_rows if self.encoded is None else self.encoded.n_rows

    def to_rows(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Values (n,) of the frame's rows, given those of alternatives (O, J) by entry of ``sets``."""
        return to_rows([sets.choices for sets in self.sets], values, self.n_rows)

    def of_sets(self, weights: np.ndarray) -> np.ndarray:
        """Mean weight of the rows of each choice set, by position among all, given those of rows (n,)."""
        out = np.zeros(len(self.choice_set))
        for sets in self.sets:
            is_row = sets.choices.row >= 0
            total = np.where(is_row, weights[sets.choices.row], 0.0).sum(axis=1)
            out[sets.choices.choice_set] = total / np.maximum(is_row.sum(axis=1), 1)
        return out

    def weighted(self, weights: np.ndarray) -> "Market":
        """The same sets, each counting as often as its rows (n,) do on average."""
        of_set = self.of_sets(weights)
        return replace(
            self,
            sets=tuple(
                replace(sets, choices=replace(sets.choices, weight=of_set[sets.choices.choice_set]))
                for sets in self.sets
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoicePosterior:
    """A posterior of choices: all that answers about choice sets need.

    Attributes
    ----------
    draws : ChoiceDraws
    panel : ChoicePanel
        The choice sets of the fit.
    kernel : str
        The covariance of factors over time, which forecasts take.
    seed : int
        Of what is drawn for customers, products, categories and periods that were not fitted.
    """

    draws: ChoiceDraws
    panel: ChoicePanel
    kernel: str
    seed: int

    def at(
        self, encoded: EncodedChoices | None = None, *, common: bool = False, alone: bool = False
    ) -> Market:
        """Choice sets with the draws that are theirs, all counted together.

        Parameters
        ----------
        encoded : EncodedChoices, optional
            Those of the fit by default.
        common : bool
            Whether new customers share random numbers, for answers about one customer at a time: see
            :func:`hdfm.choice.posterior.draws.extend_draws`.
        alone : bool
            Whether new products of different sets do, for answers about one set at a time: see
            :func:`hdfm.choice.posterior.placement.place_sets`.
        """
        draws, panel = self.draws, self.panel
        source = panel if encoded is None else encoded
        if encoded is None:
            sets = place_fitted(draws, panel)
        else:
            draws = extend_draws(draws, panel, encoded, self.kernel, self.seed, common=common)
            sets = place_sets(draws, panel, encoded, self.seed, alone=alone)
        groups = pd.DataFrame(index=range(len(source.choice_set)))
        return Market(panel=panel, encoded=encoded, draws=draws, sets=sets, groups=groups)
