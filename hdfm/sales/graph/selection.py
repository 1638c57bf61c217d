"""Truncated-sample likelihood of products that were selected on their sales, in PyTensor."""

import numpy as np
import pytensor.tensor as pt

FAR_BELOW = -8.0


def log_normal_cdf(z):
    """Log of the standard normal distribution function, finite and smooth in 32 bits too.

    Below ``FAR_BELOW``, where erfc would underflow, by its asymptotic series.
    """
    near, far = pt.maximum(z, FAR_BELOW), pt.minimum(z, FAR_BELOW)
    series = -(far**2) / 2 - pt.log(-far) - np.log(2 * np.pi) / 2 + pt.log1p(-(far**-2) + 3 * far**-4)
    return pt.switch(z > FAR_BELOW, pt.log(pt.erfc(-near / np.sqrt(2)) / 2), series)


def selection(data, spec, mean, sd):
    r"""Truncated-sample likelihood [1]_: only products of more than u units are in the sample; a scalar.

    .. math:: -\sum_i \log \Phi \Big( \frac{E \delta_i - c_i}{\sqrt{\sigma_\delta^2 + v}} \Big)

    with c_i the level from which on a product is expected to sell u, or the part of u in X, see
    :func:`hdfm.sales.panel.selection.level_thresholds`, and v the variance of the log of its total: 1 / u for
    counts, 0 for volumes. Levels and their sd are in log units.

    Parameters
    ----------
    data : DemandData
        With thresholds c (N,).
    mean : TensorVariable
        Expected levels (N,).
    sd : TensorVariable
        Of levels about them, a scalar.

    References
    ----------
    .. [1] Hausman and Wise (1977), "Social experimentation, truncated distributions, and efficient
       estimation", Econometrica 45(4).
    """
    total_sd = pt.sqrt(sd**2 + spec.selection_variance)
    return -pt.dot(data.product, log_normal_cdf((mean - data.threshold) / total_sd))
