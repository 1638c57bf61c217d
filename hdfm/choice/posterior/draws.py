r"""Draws of the choice model as plain arrays, extended to what the panel has not seen.

.. math::

    \beta_{is}(t) = \alpha_{is} + \sum_l w_{isl} \theta_l(t) + \sum_l w^C_{isl} \theta^C_{c(s) l}(t)
        + \sum_l \lambda_{sl} a_i \phi_{il}(t)

Array names and axis order: D draws (chains one after the other), N customers (1 without a customer column),
M customers that were not fitted, S coefficients, T periods, F periods that were not fitted, L factors of a
tier, G paths of a tier (1, categories or customers), K covariates; O choice sets and P predictors of a
category; d draws of a block.

    alpha (D, N, S); loading (D, N or 1, S, L); path (D, G, T, L); beta (d, O, P)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.rows import EncodedChoices
from hdfm.factors.draws import TierDraws, extend_tier, tier_draws
from hdfm.factors.tier import present_tiers
from hdfm.sampling.streams import labelled_stream

COPIES = 840  # of a mode; a multiple of 1 to 8, so that each of so few products counts equally often
COPIED_CELLS = 20_000_000


@dataclass(frozen=True, slots=True)
class ChoiceDraws:
    """Coefficients by draw, in the units of the data.

    Attributes
    ----------
    alpha : numpy.ndarray
        (D, N, S)
    tiers : tuple of TierDraws
        Those the model has.
    parts : sequence of slice
        The coefficients of each category.
    effect : numpy.ndarray or None
        Effects (D, S, K) of covariates on alpha.
    covariates : numpy.ndarray
        (N + M, K), standardised.
    donor : numpy.ndarray
        The fitted customer (D, M) whose place each of the M others takes in a draw.
    population : numpy.ndarray or None
        Draws (D', T or 1, S) of the mean over all fitted customers, where ``alpha`` is a mean over draws.
    customer_sd : numpy.ndarray or None
        Standard deviation over draws (N, S) of that ``alpha``.
    copies : bool
        Whether the draws are copies of one, a mode or a mean, with what was not fitted drawn anew in each.
    """

    alpha: np.ndarray
    tiers: tuple[TierDraws, ...]
    parts: Sequence[slice]
    effect: np.ndarray | None = None
    covariates: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    donor: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=int))
    population: np.ndarray | None = None
    customer_sd: np.ndarray | None = None
    copies: bool = False

    @property
    def n_draws(self) -> int:
        """Number of draws D."""
        return len(self.alpha)

    @property
    def n_factors(self) -> int:
        """Number of factors of all tiers."""
        return sum(tier.path.shape[-1] for tier in self.tiers)

    def beta(
        self,
        part: slice,
        customer: np.ndarray,
        period: np.ndarray,
        draws: slice | np.ndarray = slice(None),
    ) -> np.ndarray:
        """Coefficients (d, O, P) of choice sets, of the P coefficients of one category in ``part``.

        Parameters
        ----------
        part : slice
            Of the S coefficients; all of one category.
        customer, period : numpy.ndarray
            Positions (O,) among the N + M customers and T + F periods.
        draws : slice or numpy.ndarray
            Which d of the draws.
        """
        d = np.arange(self.n_draws)[draws][:, None]
        who = self._who(customer, d)
        # Draws last, as utilities need them; of sets of one customer the draws are read once.
        rows, place = who, np.arange(len(customer))
        if len(who) == 1:
            rows, place = np.unique(who[0], return_inverse=True)
        beta = _draws_last(self.alpha[d, rows, part])[place]
        if self.effect is not None and (customer >= self.alpha.shape[1]).any():
            gap = self.covariates[customer] - self.covariates[who]
            beta += (gap @ self.effect[d[:, 0], part].transpose(0, 2, 1)).transpose(1, 2, 0)
        for tier in self.tiers:
            alike = tier.loading.shape[1] == 1
            w = _draws_last(tier.loading[d, np.zeros(1, int) if alike else rows, part])
            path = _draws_last(tier.at(d, self._category(part), who, period))
            for factor in range(path.shape[1]):
                moved = w[np.zeros_like(place) if alike else place, :, factor]
                moved *= path[:, None, factor]
                beta += moved
        return beta.transpose(2, 0, 1)

    def of_posterior(self, values: np.ndarray) -> np.ndarray:
        """Sums (D, ...) by draw of what is linear in probabilities; of copies their mean (1, ...)."""
        return values.mean(axis=0, keepdims=True) if self.copies else values

    def copied(self, D: int) -> "ChoiceDraws":
        """D copies of one draw, without their memory."""

        def copy(values: np.ndarray) -> np.ndarray:
            return np.broadcast_to(values, (D, *values.shape[1:]))

        return replace(
            self,
            alpha=copy(self.alpha),
            tiers=tuple(
                replace(
                    tier,
                    loading=copy(tier.loading),
                    path=copy(tier.path),
                    lengthscale=copy(tier.lengthscale),
                )
                for tier in self.tiers
            ),
            effect=None if self.effect is None else copy(self.effect),
            copies=True,
        )

    def of_customers(self, which: np.ndarray) -> "ChoiceDraws":
        """The draws of some fitted customers alone, in memory."""
        return replace(
            self,
            alpha=self.alpha[:, which],
            tiers=tuple(tier.of_customers(which) for tier in self.tiers),
            population=None,
            customer_sd=None,
        )

    def borrowed(
        self, source: np.ndarray, customer: np.ndarray, period: np.ndarray, draws: slice = slice(None)
    ) -> np.ndarray:
        """Coefficients (d, O), in each draw the one named in ``source`` (D,), 0 where it is -1."""
        d = np.arange(self.n_draws)[draws]
        out = np.zeros((len(d), len(customer)))
        for s in np.unique(source[d]):
            borrowers = source[d] == s
            if s >= 0:
                out[borrowers] = self.beta(slice(s, s + 1), customer, period, d[borrowers])[..., 0]
        return out

    def _category(self, part):
        """Position of the category whose coefficients ``part`` are; where they are none, of any."""
        return next((c for c, whole in enumerate(self.parts) if whole.start <= part.start < whole.stop), 0)

    def _who(self, customer, d):
        """The fitted customer (1 or d, O) whose draws a choice set has."""
        n_fitted = self.alpha.shape[1]
        if not (customer >= n_fitted).any():
            return customer[None]
        newcomer = np.maximum(customer - n_fitted, 0)
        return np.where(customer < n_fitted, customer, self.donor[d, newcomer])


def _draws_last(values):
    """(O, ..., d) in 64 bits from (d, O, ...)."""
    return np.moveaxis(values, 0, -1).astype(float, order="C")


def choice_draws(posterior: xr.Dataset, panel: ChoicePanel) -> ChoiceDraws:
    """The draws of a posterior (or prior) dataset; views of it where chains and draws stand first.

    They may be in 32 bits, and on disk: read a part, and compute in 64 bits.

    A tier's multiplier, if it is there, holds the a that its paths have been multiplied with; without it a
    is 1.
    """

    def get(name):
        if name not in posterior:
            return None
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        return values.reshape(-1, *values.shape[2:])

    alpha = get("alpha")
    tiers = [
        tier_draws(
            tier,
            get(tier.loading),
            get(tier.path),
            get(tier.lengthscale),
            get(tier.multiplier),
            member=panel.owners.get(tier.owner.name),
        )
        for tier in present_tiers(posterior)
    ]
    return ChoiceDraws(
        alpha=get("coefficient_mean")[:, None] if alpha is None else alpha,
        tiers=tuple(tiers),
        parts=panel.parts,
        effect=get("covariate_effect"),
        covariates=panel.covariates,
    )


def extend_draws(
    draws: ChoiceDraws,
    panel: ChoicePanel,
    encoded: EncodedChoices,
    kernel: str,
    seed: int,
    *,
    common: bool = False,
) -> ChoiceDraws:
    r"""Draws in which every customer and period has a position: those not fitted follow the fitted.

    A customer that was not fitted takes, in each draw, the place of a fitted customer j picked at random:
    the coefficients less what covariates say, the loadings and the individual factors of one person, who is
    a draw from the population as that draw has it,

    .. math:: \alpha_i = \alpha_j + \Delta (z_i - z_j), \quad w_i = w_j, \quad a_i \phi_i = a_j \phi_j.

    So correlations between all of them carry over, whatever their form, and with few fitted customers the
    spread is theirs. Which j depends on the seed and the label alone, as befits sums over customers, who are
    independent given the draw; or with ``common`` on the seed alone: then the answers about one customer at
    a time are the same for customers who are alike, and all fitted customers are picked equally often.

    One draw alone, a mode or a mean, is copied first where anything was not fitted: else that would be one
    random fitted customer, product, category or path of a factor, and not the population of them.

    Factors in periods that were not fitted are drawn from the exact process given their path and
    lengthscale in the same draw, as one path over all periods from the last fitted one on; individual
    factors sum to zero over customers there too.

    Parameters
    ----------
    kernel : str
        The covariance of factors, one of :data:`hdfm.factors.kernels.KERNELS`.
    seed : int
    common : bool
        Whether all customers that were not fitted take the same place in a draw.
    """
    if draws.n_draws == 1 and _has_news(draws, encoded):
        draws = draws.copied(_number_of_copies(draws, encoded))
    D, N = draws.alpha.shape[:2]
    donor: list[np.ndarray]
    if common:
        places = each_in_turn(N, D, labelled_stream(seed, "customer")).astype(np.int32)
        donor = [places for _ in encoded.customer]
    else:
        donor = [
            np.asarray(labelled_stream(seed, "customer", label).integers(N, size=D), dtype=np.int32)
            for label in encoded.customer
        ]
    tiers = draws.tiers
    if len(encoded.period):
        step = panel.timeline.step / panel.time_span
        tiers = tuple(extend_tier(tier, panel.time, encoded.time, kernel, seed, step=step) for tier in tiers)
    return replace(
        draws,
        tiers=tiers,
        covariates=np.concatenate([panel.covariates, encoded.covariates]),
        donor=np.stack(donor, axis=1) if donor else np.zeros((D, 0), dtype=int),
    )


def _has_news(draws, encoded):
    """Whether a customer, product, category or period with factors was not fitted."""
    news = [
        encoded.customer,
        encoded.product,
        encoded.unseen_label,
        *([encoded.period] if draws.tiers else []),
    ]
    return any(len(labels) for labels in news)


def _number_of_copies(draws, encoded):
    """``COPIES``, or fewer where so many paths of factors in new periods would not fit into memory."""
    cells = [tier.path[0, :, :1].size * len(encoded.period) for tier in draws.tiers]
    return max(1, min(COPIES, COPIED_CELLS // max(1, sum(cells))))


def each_in_turn(N: int, D: int, rng: np.random.Generator) -> np.ndarray:
    """Balanced sample: positions (D,) among N in a random order, none once more before all others are."""
    return np.concatenate([rng.permutation(N) for _ in range(-(-D // N))])[:D].astype(np.int32)
