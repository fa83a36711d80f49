"""Write the data set that travels to a GPU machine: MovieLens 1M as SASRec uses it, split, as plain .npy files.

    python -m benchmarks.gpu.export --out carried [--data ../shared/data] [--work .bench/quality]

Needs aisle as it is installed here; the machine that trains needs torch and NumPy alone.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from aisle.dataset.split import SplitConfig, split
from benchmarks.gpu.carried import write_carried
from benchmarks.quality.prepared import prepared
from benchmarks.quality.rows import QUESTIONS

DATASET = "sasrec-ml-1m"
MOST_BYTES = 60_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AISLE_PUBLIC_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path(".bench/quality"), help="where the dataset is prepared; not in git")
    arguments = parser.parse_args()
    dataset = prepared(QUESTIONS[DATASET], arguments.data, arguments.work / DATASET)
    about = {"dataset": DATASET, "content_hash": dataset.manifest.content_hash, "n_items": dataset.n_items}
    size_bytes = write_carried(split(dataset, SplitConfig(kind="leave-one-out")), about, arguments.out)
    print(f"{arguments.out}: {size_bytes / 1e6:.1f} MB")
    if size_bytes > MOST_BYTES:
        raise SystemExit(f"error: that is more than the {MOST_BYTES / 1e6:.0f} MB that can be carried")


if __name__ == "__main__":
    main()
