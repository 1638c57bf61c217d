"""Fits that are killed at random times: each must resume to identical bits.

python tests/benchmarks/kills.py --model choice --kills 50
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.fits import start

MODELS = {
    "sales": {"draws": 310, "tune": 190},
    "choice": {
        "n_factors": 2,
        "customer": "customer",
        "features": ["display", "feature"],
        "draws": 110,
        "tune": 90,
    },
}
FITTED = "print(digest(fit(checkpoint={folder!r}, **{changes})))"


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="choice")
    parser.add_argument("--kills", type=int, default=20)
    return parser.parse_args()


def run(model, folder):
    return start(model, FITTED.format(folder=folder and str(folder), changes=MODELS[model]))


def sampled(process, folder):
    """Whether the first block was finished before the process ended."""
    while not list(folder.glob("hdfm_block_*.npz")):
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    return True


def seconds_of_sampling(model, folder):
    process = run(model, folder)
    sampled(process, folder)
    begin = time.perf_counter()
    process.communicate()
    return time.perf_counter() - begin


def main():
    arguments = parsed()
    model, rng = arguments.model, random.Random(1)
    undisturbed, errors = run(model, None).communicate()
    if not undisturbed:
        sys.exit(errors)
    killed = same = 0
    with tempfile.TemporaryDirectory() as parent:
        whole = seconds_of_sampling(model, Path(parent) / "whole")
        while killed < arguments.kills:
            folder = Path(parent) / str(killed)
            process = run(model, folder)
            if sampled(process, folder):
                time.sleep(rng.uniform(0, whole))
            process.kill()
            process.communicate()
            blocks = len(list(folder.glob("hdfm_block_*.npz")))
            if not blocks:  # it had ended
                continue
            killed += 1
            again, errors = run(model, folder).communicate()
            same += again == undisturbed
            told = "identical" if again == undisturbed else f"differs {errors[-500:]}"
            print(f"{killed:3}: killed with {blocks} blocks, {told}", flush=True)
    print(f"{model}: {killed} killed, {same} resumed to identical bits")
    sys.exit(same < killed)


if __name__ == "__main__":
    main()
