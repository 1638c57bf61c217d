r"""Laplace approximation of demand models: posterior draws without chains. NumPy and SciPy alone.

Products i of group g over periods t; levels delta, elasticities beta, time effects gamma, controls kappa:

    y_it ~ p(y | eta_it, noise),   eta_it = delta_i + beta_i x_it + gamma_gt + kappa' z_it
    (delta_i, beta_i) ~ N(M_i c_g, Omega^-1),   gamma_g ~ walk + shocks (cosines),   c ~ N   given scales u

1. p(effects | y, u, noise): normal about its mode (Laplace), A_i the information over periods. Products are
   eliminated first (Schur complement), then bundles of a group, then the top. Low counts by quadrature.
2. p(u, noise | y): its evidence is what 1 integrates to; mode by Newton steps, then weighted points about it.
3. Draws: a point, then effects given it.

Reading order: ``layout``, ``prior`` (with ``selection``), ``effects``: the model. ``paths`` (of demand and
elasticities that move), ``information`` (A_i, an operator), ``working`` (IRLS), ``wandering`` (paths
integrated out), ``arrow``, ``elimination``, ``posterior``, ``newton``: 1, and ``low_counts/`` with
``expansion``. ``scales``, ``noise`` and ``noise_step`` (with ``products``, ``dispersion``), ``moments``,
``marginal``, ``mode``, ``integration``: 2. ``draws``: 3; ``reliability`` says where 1 is poor; ``threads``
spreads the work.
"""
