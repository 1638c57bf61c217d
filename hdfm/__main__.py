"""Fit the shipped sample of real sales: ``python -m hdfm``."""

import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from rich.console import Console
from rich.table import Table

from hdfm import HierarchicalElasticity
from hdfm.datasets import load_sales_sample
from hdfm.plots import plot_elasticities

CONSOLE = Console()


def main() -> None:
    """Fit, print the elasticities and the verdict, write the picture and the fit."""
    options = parse_options()
    options.output.mkdir(parents=True, exist_ok=True)
    sales = load_sales_sample()
    CONSOLE.print(
        f"Weekly sales of {sales['product_id'].nunique()} grocery products in {sales['category'].nunique()} "
        f"categories over {sales['week'].nunique()} weeks ({len(sales):,} rows, Complete Journey)."
    )
    model = HierarchicalElasticity(
        product="product_id",
        groups="category",
        time="week",
        price="price",
        controls=["feature", "display"],
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        random_state=options.seed,
        checkpoint=options.output / "checkpoint",
    )
    begin = time.perf_counter()
    model.fit(sales, sales["units"])
    seconds = time.perf_counter() - begin

    show(model)
    diagnostics = model.diagnostics()
    CONSOLE.print(f"{diagnostics.attrs['verdict']} Fitted in {seconds:.0f} s.")
    if len(model.data_report_):
        CONSOLE.print("In the data:")
        for row in model.data_report_.itertuples():
            CONSOLE.print(f"  {row.count} {row.finding} ({row.examples}): {row.consequence}", soft_wrap=True)
    picture = options.output / "elasticities.png"
    figure = plot_elasticities(model).get_figure(root=True)
    assert figure is not None
    figure.savefig(picture, dpi=150)
    fit = model.save(options.output / "elasticities.hdfm")
    CONSOLE.print(f"Picture: {picture.resolve()}", soft_wrap=True)
    CONSOLE.print(f'Fit: {fit.resolve()}, read it with HierarchicalElasticity.load("{fit}")', soft_wrap=True)


def parse_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m hdfm", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("hdfm-output"), help="folder for picture and fit")
    parser.add_argument("--draws", type=int, default=1000, help="draws a chain")
    parser.add_argument("--tune", type=int, default=500, help="warm-up iterations a chain")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def show(model: HierarchicalElasticity) -> None:
    """Print elasticities of the groups, the most and the least elastic products, and overall."""
    tables = {
        "Overall": model.elasticities("global"),
        "Categories": model.elasticities("category"),
        "Most elastic products": model.elasticities_.nsmallest(5, "mean"),
        "Least elastic products": model.elasticities_.nlargest(5, "mean"),
    }
    percent = 100 * model.elasticities_.attrs["ci_prob"]
    table = Table(title=f"Price elasticities: posterior mean and {percent:.0f} % equal-tailed interval")
    table.add_column("")
    for name in ("mean", "lower", "upper", "P(< -1)", "products", "units"):
        table.add_column(name, justify="right")
    for title, rows in tables.items():
        table.add_row(f"[bold]{title}[/bold]")
        for label, row in rows.iterrows():
            name = f"{label} ({row['category'].lower()})" if "products" in title.lower() else str(label)
            table.add_row(
                f"  {name}",
                *(f"{row[column]:.2f}" for column in ("mean", "lower", "upper", "p_elastic")),
                f"{row.get('n_products', 1):.0f}",
                f"{row['units']:,.0f}",
            )
        table.add_section()
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
