"""Work on large panels over the cores: NumPy lets other threads run while it computes."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from joblib import cpu_count

from hdfm.sales.laplace.prior import ArrowModel


def in_threads[A, B](model: ArrowModel, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Of each item, in order; over the cores where a panel is large."""
    if not model.large:
        yield from map(function, items)
        return
    # arviz_base leaves a lazy jax behind, which SciPy loads at its first look at an array: not in two threads
    getattr(sys.modules.get("jax"), "Array", None)
    with ThreadPoolExecutor(cpu_count()) as pool:
        yield from pool.map(function, items)
