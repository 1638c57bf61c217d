"""Which column of a frame of sales is what."""

from dataclasses import dataclass

ALL_PRODUCTS = "all_products"


@dataclass(frozen=True, slots=True)
class Roles:
    """Which column of X is what."""

    product: str | None = None
    groups: tuple[str, ...] = ()
    time: str | None = None
    price: str | None = None
    controls: tuple[str, ...] = ()
    exposure: str | None = None
    reference_price: str | None = None
