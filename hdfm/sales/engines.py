"""Engines of the sales model: NUTS, and Laplace's approximation."""

from hdfm.exceptions import InvalidArgumentError
from hdfm.sales.spec import DemandSpec
from hdfm.sampling.engines import NUTS, Engine


def _laplace(problem, settings):
    from hdfm.sales.laplace.draws import sample_laplace

    return sample_laplace(problem.panel, problem.spec, settings)


def _pareto_k(panel, spec, seed):
    from hdfm.sales.laplace.reliability import pareto_k

    return pareto_k(panel, spec, seed)


def _refuse_sign(spec: DemandSpec) -> None:
    """The approximation of a product is normal, of which no part can be cut off."""
    if spec.negative:
        raise InvalidArgumentError(
            f"{LAPLACE.argument} has no elasticities of one sign; got sign='negative'. "
            f"Take sign=None, or {NUTS[0].argument}."
        )


LAPLACE = Engine(name="laplace", run=_laplace, check=_refuse_sign, pareto_k=_pareto_k)
ENGINES = (*NUTS, LAPLACE)
