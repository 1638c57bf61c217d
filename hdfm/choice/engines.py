"""Engines of the choice model: NUTS, and two quick looks."""

from hdfm.sampling.engines import MODE, NUTS, VARIATIONAL

ENGINES = (*NUTS, MODE, VARIATIONAL)
