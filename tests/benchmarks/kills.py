"""Fits of the choice model that are killed at random times: each must resume to identical bits.

python tests/benchmarks/kills.py            # 20 kills
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--child", help="fit with this checkpoint ('' for none), print a digest of all draws")
    return parser.parse_args()


def child(folder):
    from hdfm import DynamicFactorChoiceModel
    from hdfm.datasets import simulate_choices

    X, _ = simulate_choices(12, 2, 20, n_factors=1, seed=1)
    y = X.pop("chosen")
    model = DynamicFactorChoiceModel(
        2, customer="customer", category="category", product="product", time="week", choice_set="choice_set",
        price="price", features=["display", "feature"], draws=110, tune=90, chains=2, progressbar=False,
        checkpoint=folder or None,
    )  # fmt: skip
    model.fit(X, y)
    digest = hashlib.sha256()
    for group in ("posterior", "sample_stats"):
        for name, values in sorted(model.idata_[group].data_vars.items()):
            digest.update(name.encode() + values.to_numpy().tobytes())
    print(digest.hexdigest())


def run(folder):
    return subprocess.Popen(
        [sys.executable, __file__, "--child", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def main():
    arguments = parsed()
    if arguments.child is not None:
        child(arguments.child)
        return
    undisturbed, errors = run("").communicate()
    if not undisturbed:
        sys.exit(errors)
    begin = time.perf_counter()
    run("").communicate()
    whole, rng, same, killed = time.perf_counter() - begin, random.Random(1), 0, 0
    with tempfile.TemporaryDirectory() as parent:
        for k in range(arguments.kills):
            folder = Path(parent) / str(k)
            process = run(str(folder))
            while not (folder / "state.npz").exists() and process.poll() is None:
                time.sleep(0.02)  # until a first block is done
            time.sleep(rng.uniform(0, 0.4 * whole))
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            process.communicate()
            if folder.exists():
                again, errors = run(str(folder)).communicate()
                same += again == undisturbed
                print(
                    f"{k + 1:3}: {'identical' if again == undisturbed else 'differs ' + errors[-500:]}",
                    flush=True,
                )
    print(f"{killed} killed, {same} resumed to identical bits")


if __name__ == "__main__":
    main()
