"""Findings of a panel of choices: what the table has, and what a user should hear of at once."""

from hdfm.choice.panel.panel import ChoicePanel
from hdfm.choice.panel.signals import (
    FEW_SETS,
    STRANGE_PRICE,
    absent_predictors,
    bare_categories,
    constant_covariates,
    far_from_all,
    following,
    left_out_predictors,
    little_left,
    never_available,
    never_chosen,
    rare_customers,
    spiked_products,
    strangely_priced,
    tied_predictors,
    uninformative_sets,
)
from hdfm.frames.columns import examples
from hdfm.frames.findings import LITTLE_LEFT, Finding
from hdfm.frames.time_warnings import time_warnings
from hdfm.frames.timeline import wide_gaps

GAPS = "factors move by distance in time, also across them"
BY_CHANCE = 0.05
_FOLLOW = "check that they are known before the choice; their coefficients are held by the priors alone"
_TOGETHER = "the price coefficient is told from the priors"


def choice_findings(panel: ChoicePanel, *, guessed: bool = False) -> list[Finding]:
    """Findings on the data of a panel; ``guessed``: features were not named."""
    return [
        *_of_time(panel),
        *_of_predictors(panel, guessed),
        *_of_prices(panel),
        *_of_products(panel),
        *_of_customers(panel),
    ]


def _of_predictors(panel, guessed):
    features = panel.roles.features if guessed else ()
    yield Finding(
        None,
        features or (),
        "",
        "features=None: taken as features are the numeric columns without a role, "
        f"{', '.join(map(str, features or ()))}. Name features=[...] to choose, or [] for none.",
    )
    alone = uninformative_sets(panel)
    yield Finding(
        "choice sets with one alternative",
        alone,
        "kept; they carry no information",
        f"{len(alone):,} of {len(panel.choice_set):,} choice sets have one alternative (such as "
        f"{examples(alone)}): they are kept but carry no information.",
    )
    left_out, where = left_out_predictors(panel), "a category" if panel.roles.outside else "a choice set"
    yield Finding(
        "predictors that never vary",
        left_out,
        "left out of these categories",
        f"Predictors that never vary within {where} carry no information and are left out: "
        f"{examples(left_out)}.",
    )
    yield Finding(
        "predictors missing in a category", absent_predictors(panel), "no predictors of these categories"
    )
    bare = "every alternative is as likely as another"
    yield Finding("categories without a predictor", bare_categories(panel), bare)
    tied = tied_predictors(panel)
    yield Finding(
        "predictors tied to others",
        tied,
        "told apart by the priors alone",
        "Predictors that are combinations of others, intercepts included, or nearly so, are told apart by "
        f"the priors alone: {examples(tied)}.",
    )
    follow = following(panel)
    unlikely = [text for text, chance in follow if chance < BY_CHANCE]
    yield Finding(
        "features other than 0 on chosen rows alone",
        [text for text, _ in follow],
        _FOLLOW,
        f"Features are other than 0 on chosen rows alone: {examples(unlikely)}. If they follow from the "
        "choice, as a quantity bought does, leave them out of features."
        if unlikely
        else None,
    )
    far = far_from_all(panel)
    yield Finding(
        "values far from all others",
        far,
        "check for fillers: they decide the coefficient",
        f"Values far from all others, as fillers for missing ones are, stand in {examples(far)}: they decide "
        "the coefficient. Repair them, drop these choice sets, or mark what could not be bought in an "
        "availability column.",
    )


def _of_prices(panel):
    little = little_left(panel)
    yield Finding(
        "little price variation left within choice sets",
        little,
        _TOGETHER,
        f"Of the variation of prices within products less than {LITTLE_LEFT:.0%} is left within choice "
        f"sets in {examples(little)}: prices of products move together there, which tells nothing of "
        "which one is chosen, and the priors decide the price coefficient. Occasions on which nothing "
        "was bought tell more, with outside_option=True.",
    )
    spiked = spiked_products(panel)
    yield Finding(
        "products with a spike in price",
        spiked,
        "check the prices: they decide the answers",
        f"Prices of {len(spiked):,} products have a spike, more than 5 times the usual one or less than "
        f"a fifth: {examples(spiked)}. Repair them, or mark what could not be bought in an availability "
        "column.",
    )
    strange = strangely_priced(panel)
    yield Finding(
        "products with a price far from all others'",
        strange,
        "check the prices: their intercepts and the price coefficient make up for it",
        f"Usual prices of {len(strange):,} products are more than {STRANGE_PRICE:g} times those of their "
        f"category, or less than one of {STRANGE_PRICE:g} parts: {examples(strange)}. In another currency, "
        "or a filler for buying nothing? The latter is no alternative: leave its rows out and set "
        "outside_option=True.",
    )


def _of_products(panel):
    never = never_available(panel)
    yield Finding("products never available", never, "their intercepts are those of the prior")
    unchosen = never_chosen(panel)
    yield Finding("products never chosen", unchosen, "their intercepts are held by the prior")


def _of_customers(panel):
    pooled = "their coefficients stay close to the population's"
    yield Finding(f"customers with fewer than {FEW_SETS} choice sets", rare_customers(panel), pooled)
    constant = constant_covariates(panel)
    yield Finding("covariates that never vary", constant, "they carry no information")


def _of_time(panel):
    if panel.roles.time is None:
        return
    yield Finding("wide gaps between periods", wide_gaps(panel.timeline), GAPS)
    for message in time_warnings(panel.timeline, len(panel.choice_set), "choice sets"):
        yield Finding(None, ["time"], "", message)
