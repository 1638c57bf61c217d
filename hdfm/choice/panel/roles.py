"""Which column of a frame of alternatives is what, and how alternatives are read."""

from dataclasses import dataclass, replace

import pandas as pd

from hdfm.exceptions import InvalidArgumentError, unknown

DIMENSIONS = ("customer", "category", "product", "time", "choice_set")
ONE_COLUMN = (*DIMENSIONS, "price", "availability")
OUTSIDE_LABEL = "(none)"  # of the outside option, among those of products
RESERVED_LABELS = ("chain", "draw", "predictor", "coefficient", "covariate", "factor", "tier")


@dataclass(frozen=True, slots=True)
class ChoiceRoles:
    """Which column of X is what, and how alternatives are read.

    Attributes
    ----------
    customer, category, product, time, choice_set, price, availability : str or None
        One column each. Without ``choice_set`` every row is a choice set of its own, against the
        outside option.
    features : tuple of str or None
        Further predictors; None: every numeric column without a role.
    customer_covariates : tuple of str
        Columns that are constant within a customer.
    product_intercepts : bool
        Whether products have intercepts.
    price_transform : {"log", "linear"}
        How the price enters.
    outside_option : bool
        Whether a set may have no chosen row: nothing was bought, at a utility of 0.
    """

    customer: str | None = None
    category: str | None = None
    product: str | None = None
    time: str | None = None
    choice_set: str | None = None
    price: str | None = None
    features: tuple[str, ...] | None = None
    availability: str | None = None
    customer_covariates: tuple[str, ...] = ()
    product_intercepts: bool = True
    price_transform: str = "log"
    outside_option: bool = False

    @property
    def outside(self) -> bool:
        """Whether alternatives stand against an outside option."""
        return self.outside_option or self.choice_set is None

    @property
    def one_of_each(self) -> bool:
        """Whether a choice set holds a product once at most."""
        return self.product is not None and self.choice_set is not None

    @property
    def log_price(self) -> str | None:
        """The price column where it is used in logs."""
        match self.price_transform:
            case "log":
                return self.price
            case "linear":
                return None
            case _:
                raise unknown("price_transform", self.price_transform)

    @property
    def predictors(self) -> tuple[str, ...]:
        """The price, if any, and the features: columns that hold a predictor."""
        return (*([self.price] if self.price is not None else []), *(self.features or ()))

    @property
    def named(self) -> bool:
        """Whether any column has a role."""
        return bool(self.columns) or self.features is not None

    @property
    def beside_features(self) -> bool:
        """Whether any column has a role other than that of a feature."""
        return any(name not in (self.features or ()) for name in self.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column with a role, in a fixed order."""
        single = [getattr(self, role) for role in ONE_COLUMN]
        named = [name for name in single if name is not None]
        return (*named, *self.customer_covariates, *(self.features or ()))


def refuse_without_column(role: str, roles: ChoiceRoles) -> None:
    """Raise if answers are asked for by customer or time and the model has no such column."""
    if role in ("customer", "time") and getattr(roles, role) is None:
        raise InvalidArgumentError(
            f"by={role!r} needs a {role} column, and the model was fitted without one: name it with "
            f"{role}= and fit again."
        )


def with_features(roles: ChoiceRoles, X: pd.DataFrame) -> ChoiceRoles:
    """The roles with features named: all numeric columns without a role, unless given."""
    if roles.features is not None:
        return roles
    numeric = [
        name
        for name, dtype in zip(X.columns, X.dtypes, strict=True)
        if pd.api.types.is_numeric_dtype(dtype) and name not in roles.columns
    ]
    return replace(roles, features=tuple(numeric))
