"""The model of choice written by hand: paths, probabilities, shares, their slopes."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import log_softmax

CHAINS, DRAWS = 2, 13
QUICK = {"draws": DRAWS, "tune": 5, "chains": CHAINS, "progressbar": False}
SPREAD = 0.3  # of draws in the coordinates to sample in: enough for each draw to differ in all that is asked
SAME = 1e-10  # sums of the same numbers in another order
# Central differences err by the step squared and by rounding over the step; ratios of them by more.
STEP, DIFFERENCE = 1e-5, 1e-5
INTERVAL = ["mean", "sd", "lower", "upper"]
LABELS = ("coefficient_category", "coefficient_predictor")


def paths(panel, values) -> np.ndarray:
    """beta (N, T, S) of one draw, summed as the model is written, from its variables by name."""
    N, T, S = len(panel.customer), len(panel.period), len(panel.coefficient)
    alpha = values["alpha"] if "alpha" in values else values["coefficient_mean"][None]
    beta = np.broadcast_to(alpha[:, None], (N, T, S)).copy()
    if "loading" in values:
        w = np.broadcast_to(values["loading"], (N, S, values["loading"].shape[-1]))
        beta += np.einsum("nsl,tl->nts", w, values["factor_path"])
    if "category_loading" in values:
        w = np.broadcast_to(values["category_loading"], (N, S, values["category_loading"].shape[-1]))
        for c, category in enumerate(panel.categories):
            part = category.coefficient
            beta[..., part] += np.einsum("nsl,tl->nts", w[:, part], values["category_factor_path"][c])
    if "individual_loading" in values:
        beta += np.einsum("sl,ntl->nts", values["individual_loading"], values["individual_factor_path"])
    return beta


def log_probabilities(beta, choices, outside) -> np.ndarray:
    """(O, J + 1) given beta (O, P), the outside option last; -inf where there is nothing to choose."""
    out = np.full((len(beta), choices.mask.shape[1] + 1), -np.inf)
    for o, available in enumerate(choices.mask):
        open_ = np.append(available, outside)
        utility = np.append(choices.x[o, available] @ beta[o], [0.0] * outside)
        out[o, open_] = log_softmax(utility)
    return out


def log_likelihood(panel, beta) -> float:
    """Of paths beta (N, T, S), set by set; -1 is the outside option, which stands last."""
    total = 0.0
    for category, choices in zip(panel.categories, panel.choices, strict=True):
        own = beta[choices.customer, choices.period, category.coefficient]
        log_p = log_probabilities(own, choices, panel.roles.outside)
        total += log_p[np.arange(len(own)), choices.chosen].sum()
    return total


def beta_by_hand(model) -> xr.DataArray:
    """Coefficients (customer, period, coefficient, sample) of a fit, draw by draw."""
    p = (
        model.idata_["posterior"]
        .to_dataset()
        .astype(float)
        .stack(sample=("chain", "draw"), create_index=False)
    )
    draws = [
        paths(model.panel_, {name: p[name].isel(sample=d).to_numpy() for name in p})
        for d in range(p.sizes["sample"])
    ]
    names = ("customer", "period", "coefficient")
    labels = {name: p[name].to_numpy() for name in names if name in p.coords}
    labels |= {name: ("coefficient", p[name].to_numpy()) for name in LABELS}
    return xr.DataArray(
        np.stack(draws, axis=-1), dims=(*names, "sample"), coords={"customer": ["all"]} | labels
    )


def design_by_hand(model, X, beta):
    """Predictors (n, S) of the rows of a frame."""
    x = np.zeros((len(X), beta.sizes["coefficient"]))
    pairs = zip(beta["coefficient_category"].values, beta["coefficient_predictor"].values, strict=True)
    for s, (category, predictor) in enumerate(pairs):
        if predictor.startswith(f"{model.product}["):
            values = X[model.product] == predictor[len(model.product) + 1 : -1]
        elif predictor == "price" and model.price_transform == "log":
            values = np.log(X["price"])
        else:
            values = X[predictor]
        x[:, s] = np.where(X["category"] == category, values, 0)
    return x


def probabilities_by_hand(model, X):
    """Choice probabilities (n, D) of the rows of a frame of fitted customers and weeks."""
    beta = beta_by_hand(model)
    customer = X[model.customer].to_numpy() if model.customer is not None else np.full(len(X), "all")
    rows = {"customer": ("row", customer), "period": ("row", X[model.time].to_numpy())}
    rows = {name: xr.DataArray(labels, dims=dim) for name, (dim, labels) in rows.items()}
    own = beta.sel(rows).transpose("row", "sample", "coefficient").to_numpy()
    weight = np.exp(np.einsum("nds,ns->nd", own, design_by_hand(model, X, beta)))
    if model.availability is not None:
        weight *= X[model.availability].to_numpy()[:, None]
    total = pd.DataFrame(weight).groupby(X[model.choice_set].to_numpy()).transform("sum").to_numpy()
    return weight / (total + model.outside_option)


def shares_by_hand(model, X, by=()):
    """Draws (one a column) of expected shares, by category, product and columns of X."""
    sets = X.groupby(["category", *by])[model.choice_set].nunique()
    keys = ["category", model.product, *by]
    total = pd.DataFrame(probabilities_by_hand(model, X), index=pd.MultiIndex.from_frame(X[keys]))
    total = total.groupby(keys).sum()
    return total.div(sets.reindex(total.index.droplevel(1)).to_numpy(), axis=0)


def with_price(model, X, product, ratio):
    """The frame with the prices of a product times a ratio."""
    return X.assign(price=X["price"].where(X[model.product] != product, ratio * X["price"]))


def share_slopes(model, X, product, by=()):
    """Draws of the derivative of shares by the log of one product's price, by central differences."""
    up, down = (
        shares_by_hand(model, with_price(model, X, product, np.exp(sign * STEP)), by) for sign in (1, -1)
    )
    return (up - down) / (2 * STEP)


def summaries(draws, ci_prob):
    """Mean, sd and the ends of the interval of each row."""
    lower, upper = draws.quantile((1 - ci_prob) / 2, axis=1), draws.quantile((1 + ci_prob) / 2, axis=1)
    return pd.DataFrame({"mean": draws.mean(axis=1), "sd": draws.std(axis=1), "lower": lower, "upper": upper})


def assert_same(table, expected, tolerance=SAME):
    """The same rows in any order, and numbers that agree."""
    assert set(table.index) == set(expected.index)
    np.testing.assert_allclose(
        table.to_numpy(), expected.loc[table.index].to_numpy(), rtol=tolerance, atol=tolerance
    )
