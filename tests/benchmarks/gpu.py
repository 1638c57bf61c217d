"""Gradient and NUTS of both models on an accelerator and on the CPU: seconds, and whether posteriors agree.

python tests/benchmarks/gpu.py            # 300, 3,000 and 10,000 households; 519,700 rows of sales
python tests/benchmarks/gpu.py --small    # as a test of the script: minutes on a CPU
"""

import argparse
import json
import os
import subprocess
import sys
import time

FULL = [("choice", 300), ("choice", 3000), ("choice", 10_000), ("sales", 5197)]
SMALL = [("choice", 20), ("sales", 20)]
WEEKS = {"choice": 52, "sales": 100}


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--tune", type=int, default=100)
    parser.add_argument("--child", nargs=2, help="a model and its size")
    return parser.parse_args()


def estimator(kind, size, arguments):
    """A model and its data."""
    shared = {"draws": arguments.draws, "tune": arguments.tune, "chains": 2, "progressbar": False}
    if kind == "choice":
        from hdfm import DynamicFactorChoiceModel
        from hdfm.datasets import simulate_choices

        X, _ = simulate_choices(size, 3, 12 if arguments.small else WEEKS[kind], n_factors=1, seed=1)
        y = X.pop("chosen")
        model = DynamicFactorChoiceModel(
            1, customer="customer", category="category", product="product", time="week",
            choice_set="choice_set", price="price", features=["display", "feature"], keep="means", **shared,
        )  # fmt: skip
        return model, X, y, "coefficient_mean"
    from hdfm import HierarchicalElasticity
    from hdfm.datasets import simulate_sales

    X = simulate_sales(size, max(2, size // 100), 12 if arguments.small else WEEKS[kind], seed=1)
    y = X.pop("units_sold")
    model = HierarchicalElasticity(
        "product",
        "category",
        time="time_period",
        price="price",
        inference="nuts",
        demand="independent",
        dispersion="shared",
        elasticity_path="constant",
        **shared,
    )
    return model, X, y, "elasticity_category"


def child(arguments):
    """Seconds a gradient and of sampling, and means of what the population has, as JSON."""
    kind, size = arguments.child[0], int(arguments.child[1])
    model, X, y, name = estimator(kind, size, arguments)
    import hdfm.sampling.nuts as nuts

    found, scale = {}, nuts.posterior_scale

    def timed(density, rng, probes):
        out, _ = scale(density, rng, 1)
        begin = time.perf_counter()
        scale(density, rng, 10)
        found["gradient_ms"] = 1e3 * (time.perf_counter() - begin) / 21
        return out, found["gradient_ms"] / 1e3

    nuts.posterior_scale = timed
    model.fit(X, y)
    import arviz as az
    import jax

    draws = model.idata_["posterior"][name]
    found |= {
        "device": jax.devices()[0].device_kind,
        "rows": len(X),
        "seconds": model.idata_.attrs["sampling_time"],
        "steps": float(model.idata_["sample_stats"]["n_steps"].mean()),
        "mean": draws.mean(["chain", "draw"]).to_numpy().ravel().tolist(),
        "error": az.mcse(draws).to_numpy().ravel().tolist(),
        "gather_ms": gather_ms(),
    }
    print(json.dumps(found))


def gather_ms(rows=500_000, groups=8):
    """A gradient through a gather from few groups, which scatters: some versions of jaxlib are slow at it."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    code = jnp.asarray(np.random.default_rng(0).integers(0, groups, rows))
    slope = jax.jit(jax.grad(lambda b: (jnp.sin(b[code]) ** 2).sum()))
    b = jnp.ones(groups)
    slope(b).block_until_ready()
    begin = time.perf_counter()
    for _ in range(10):
        slope(b).block_until_ready()
    return 100 * (time.perf_counter() - begin)


def has(platform):
    """Whether a platform has a device."""
    program = "import jax; jax.devices()"
    environment = os.environ | {"JAX_PLATFORMS": platform}
    return not subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True
    ).returncode


def ask(kind, size, arguments, platform):
    """What a process on a platform found; None where that has no device."""
    options = ["--draws", str(arguments.draws), "--tune", str(arguments.tune)]
    options += ["--small"] if arguments.small else []
    ended = subprocess.run(
        [sys.executable, __file__, "--child", kind, str(size), *options],
        env=os.environ | {"JAX_PLATFORMS": platform}, capture_output=True, text=True,
    )  # fmt: skip
    if ended.returncode:
        print(f"{kind} {size} on {platform}: {ended.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(ended.stdout.splitlines()[-1])


def main():
    arguments = parsed()
    if arguments.child:
        child(arguments)
        return
    platforms = [platform for platform in ("cpu", "cuda") if has(platform)]
    print(f"devices: {', '.join(platforms)}")
    head = (
        "model",
        "size",
        "rows",
        "device",
        "gradient ms",
        "steps",
        "sampling s",
        "gather ms",
        "largest gap",
    )
    print("{:8} {:>6} {:>10}  {:20} {:>12} {:>6} {:>11} {:>10}  {}".format(*head))
    for kind, size in SMALL if arguments.small else FULL:
        answers = [ask(kind, size, arguments, platform) for platform in platforms]
        for found in filter(None, answers):
            gap = "-"
            if None not in answers and len(answers) == 2:
                columns = [answer[name] for answer in answers for name in ("mean", "error")]
                pairs = zip(*columns, strict=True)
                gap = f"{max(abs(a - b) / (s**2 + t**2) ** 0.5 for a, s, b, t in pairs):.1f} se"
            print(
                f"{kind:8} {size:6,} {found['rows']:10,}  {found['device']:20} {found['gradient_ms']:12.2f} "
                f"{found['steps']:6.0f} {found['seconds']:11.1f} {found['gather_ms']:10.2f}  {gap}",
                flush=True,
            )


if __name__ == "__main__":
    main()
