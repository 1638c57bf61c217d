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

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that have a role."""
        names = (self.product, self.time, self.price, self.exposure, self.reference_price)
        return (*(name for name in names if name is not None), *self.groups, *self.controls)
