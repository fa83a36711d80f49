"""Train and measure one model of the GPU tier on a bare machine: torch and NumPy are all it needs, aisle is read from ../../src.

    python benchmarks/gpu/train.py --data carried --model lstm|sasrec|ligr --out DIR [--seed 1] [--minutes 9]

`carried` comes from `python -m benchmarks.gpu.export`. An epoch at a time is kept in DIR: a call that was cut short, or that
stopped by itself after `--minutes`, goes on where it was when the same command is given again. The last line of the output,
and DIR/result.json, hold the test metrics; DIR/model.npz the weights. Not measured on a GPU so far.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]  # nothing is installed on a bare machine

from benchmarks.gpu.tiers import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(__doc__))
