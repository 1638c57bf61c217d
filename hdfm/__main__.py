"""Fit the shipped samples of real grocery sales and brand choices: ``python -m hdfm``."""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")

from rich.console import Console
from rich.table import Table

from hdfm import DynamicFactorChoiceModel, HierarchicalElasticity
from hdfm.datasets import load_choice_sample, load_sales_sample
from hdfm.plots import plot_coefficients, plot_elasticities, plot_factors

if TYPE_CHECKING:
    import pandas as pd

CONSOLE = Console()
ELASTICITY, CHOICE = "elasticity", "choice"
SUMMARY = ("mean", "lower", "upper", "p_elastic")


def main() -> None:
    """Fit, print elasticities and verdicts, write pictures and fits."""
    options = parse_options()
    warnings.showwarning = lambda message, *_: CONSOLE.print(f"Note: {message}", soft_wrap=True)
    options.output.mkdir(parents=True, exist_ok=True)
    runs: dict[str, Callable] = {ELASTICITY: run_elasticity, CHOICE: run_choice}
    for name in [options.only] if options.only else runs:
        runs[name](options)


def parse_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m hdfm", description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("hdfm-output"), help="folder for pictures and fits"
    )
    parser.add_argument("--only", choices=(ELASTICITY, CHOICE), help="one of the two models; both by default")
    parser.add_argument("--draws", type=int, help="draws a chain")
    parser.add_argument("--tune", type=int, help="warm-up iterations a chain")
    parser.add_argument("--chains", type=int)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def run_elasticity(options: argparse.Namespace) -> None:
    """Price elasticities of products."""
    sales = load_sales_sample()
    CONSOLE.print(
        f"\n[bold]HierarchicalElasticity[/bold]: weekly sales of {sales['product_id'].nunique()} grocery "
        f"products in {sales['category'].nunique()} categories over {sales['week'].nunique()} weeks "
        f"({len(sales):,} rows, Complete Journey).",
        soft_wrap=True,
    )
    model = HierarchicalElasticity(
        product="product_id",
        groups="category",
        time="week",
        price="price",
        controls=["feature", "display"],
        inference="laplace",
        **sampling(options, draws=500, chains=4),
        progressbar=False,
    )
    timed_fit(model, sales, sales["units"])
    show_products(model)
    report(model)
    save_picture(plot_elasticities(model), options.output / "elasticities.png")
    save_fit(model, options.output / "elasticities.hdfm")


def run_choice(options: argparse.Namespace) -> None:
    """Brand choices of households, with coefficients that move."""
    choices = load_choice_sample()
    CONSOLE.print(
        f"\n[bold]DynamicFactorChoiceModel[/bold]: {choices['choice_set'].nunique():,} choices of "
        f"{choices['household'].nunique()} households in {choices['category'].nunique()} categories over "
        f"{choices['week'].nunique()} weeks (Complete Journey).",
        soft_wrap=True,
    )
    model = DynamicFactorChoiceModel(
        n_factors=1,
        customer="household",
        category="category",
        product="product",
        time="week",
        choice_set="choice_set",
        price="price",
        features=["display", "feature"],
        availability="available",
        loadings="population",
        **sampling(options, draws=600, tune=250, chains=2),
        checkpoint=options.output / "choice-checkpoint",
    )
    timed_fit(model, choices, choices["chosen"])
    show_choices(model)
    report(model)
    save_picture(plot_factors(model), options.output / "factors.png")
    save_picture(plot_coefficients(model), options.output / "price_sensitivity.png")
    save_fit(model, options.output / "choices.hdfm")


def sampling(options: argparse.Namespace, **defaults: int) -> dict[str, int]:
    """Sampling arguments: those of the command line where given."""
    given = {name: getattr(options, name) or value for name, value in defaults.items()}
    return given | {"random_state": options.seed}


def timed_fit(model, X: "pd.DataFrame", y: "pd.Series") -> None:
    """Fit and say how long it took."""
    begin = time.perf_counter()
    model.fit(X, y)
    CONSOLE.print(f"Fitted in {time.perf_counter() - begin:.0f} s.")


def report(model) -> None:
    """Print the verdict and what the data can't inform."""
    CONSOLE.print(model.diagnostics().attrs["verdict"], soft_wrap=True)
    if len(model.data_report_):
        CONSOLE.print("In the data:")
        for row in model.data_report_.itertuples():
            CONSOLE.print(f"  {row.count} {row.finding} ({row.examples}): {row.consequence}", soft_wrap=True)


def save_picture(ax, path: Path) -> None:
    """Write the figure that axes belong to."""
    ax.get_figure(root=True).savefig(path, dpi=150)
    CONSOLE.print(f"Picture: {path.resolve()}", soft_wrap=True)


def save_fit(model, path: Path) -> None:
    """Write the estimator."""
    model.save(path)
    name = type(model).__name__
    CONSOLE.print(f'Fit: {path.resolve()}, read it with {name}.load("{path}")', soft_wrap=True)


def show_products(model: HierarchicalElasticity) -> None:
    """Print elasticities of the groups, the most and the least elastic products, and overall."""
    tables = {
        "Overall": model.elasticities("global"),
        "Categories": model.elasticities("category"),
        "Most elastic products": model.elasticities_.nsmallest(5, "mean"),
        "Least elastic products": model.elasticities_.nlargest(5, "mean"),
    }
    table = elasticity_columns(
        "Price elasticities", model.elasticities_.attrs["ci_prob"], "products", "units"
    )
    for title, rows in tables.items():
        table.add_row(f"[bold]{title}[/bold]")
        for label, row in rows.iterrows():
            name = f"{label} ({row['category'].lower()})" if "products" in title.lower() else str(label)
            table.add_row(
                f"  {name}",
                *(f"{row[column]:.2f}" for column in SUMMARY),
                f"{row.get('n_products', 1):.0f}",
                f"{row['units']:,.0f}",
            )
        table.add_section()
    CONSOLE.print(table)


def show_choices(model: DynamicFactorChoiceModel) -> None:
    """Print own elasticities, the largest cross elasticity of each product, and the factors."""
    own_and_cross = model.elasticities()
    table = elasticity_columns(
        "Own-price elasticities of choice", own_and_cross.attrs["ci_prob"], "gains most from it", "cross"
    )
    for category, rows in own_and_cross.groupby(level="category"):
        table.add_row(f"[bold]{category}[/bold]")
        for (_, product, price_of), row in rows.iterrows():
            if product != price_of:
                continue
            cross = rows.xs(price_of, level="price_of").droplevel("category")["mean"].drop(product)
            table.add_row(
                f"  {product}",
                *(f"{row[column]:.2f}" for column in SUMMARY),
                str(cross.idxmax()),
                f"{cross.max():.2f}",
            )
        table.add_section()
    CONSOLE.print(table)
    for (tier, factor), row in model.factor_table_.iterrows():
        share, low, high = (100 * row[name] for name in ("share_of_all", "share_lower", "share_upper"))
        CONSOLE.print(
            f"Factor {factor} ({tier}): {100 * row['share']:.0f} % of what moves over time, {share:.1f} % "
            f"({low:.1f} to {high:.1f}) of that and the differences between households; lengthscale "
            f"{row['lengthscale']:.0f} weeks "
            f"({row['lengthscale_lower']:.0f} to {row['lengthscale_upper']:.0f}).",
            soft_wrap=True,
        )


def elasticity_columns(title: str, ci_prob: float, *others: str) -> Table:
    """An empty table for elasticities and two more columns."""
    table = Table(title=f"{title}: posterior mean and {100 * ci_prob:.0f} % equal-tailed interval")
    table.add_column("")
    for name in ("mean", "lower", "upper", "P(< -1)", *others):
        table.add_column(name, justify="right")
    return table


if __name__ == "__main__":
    main()
