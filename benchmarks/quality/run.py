"""NeuMF on MovieLens 1M under the NCF paper's protocol: mean and spread over seeds, beside published figures.

    python -m benchmarks.quality.run --data ../shared/data --work .bench/quality

Settings and epochs are chosen on validation data (each user's last training item); the test part is looked at once a seed.
Finished seeds are kept under --work, and an interrupted one goes on where it was. About four minutes a seed on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.environment.facts import environment
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import Run, Screen, train_run
from aisle.logs.recipe import load_log_recipe

RECIPE = "neumf-ncf-ml-1m"
RESULTS = Path(__file__).with_name("ncf-ml-1m.json")
METRICS = ("HR@10", "NDCG@10")
# He et al. 2017 (8 factors, from scratch), and Dacrema et al. 2019 with epochs chosen on validation.
PUBLISHED = {
    "NeuMF, 8 factors, scratch (He et al. 2017)": {"HR@10": 0.688, "NDCG@10": 0.410},
    "NeuMF, epochs chosen on validation (Dacrema et al. 2019)": {"HR@10": 0.673, "NDCG@10": 0.401},
    "item-kNN (Dacrema et al. 2019)": {"HR@10": 0.660, "NDCG@10": 0.390},
    "popularity (Dacrema et al. 2019)": {"HR@10": 0.453, "NDCG@10": 0.254},
}


def prepared(data: Path, folder: Path) -> Dataset:
    """Prepare the log once."""
    source = data / "ncf-ml-1m"
    if not folder.exists():
        test, negatives = source / "test.rating", source / "test.negative"
        prepare([source / "train.parquet"], folder, recipe=load_log_recipe("ncf-ml-1m"), test=test, negatives=negatives)
    return Dataset(folder)


def summary(values: list[float]) -> dict[str, Any]:
    """Return mean, standard deviation over seeds, and the values."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {
        "mean": round(statistics.mean(values), 4),
        "sd": None if spread is None else round(spread, 4),
        "values": [round(v, 4) for v in values],
    }


def of_runs(runs: list[Run]) -> dict[str, Any]:
    """Summarise the model over its seeds; the baselines draw nothing, so one run speaks for them."""
    tests = [run.metrics["test"]["metrics"] for run in runs]
    rows = {runs[0].name: {name: summary([test[name]["mean"] for test in tests]) for name in METRICS}}
    rows[runs[0].name]["train_seconds"] = summary([run.metrics["train_seconds"] for run in runs])
    for name, baseline in runs[0].metrics["baselines"].items():
        rows[name] = {metric: summary([baseline["test"]["metrics"][metric]["mean"]]) for metric in METRICS}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AISLE_PUBLIC_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path(".bench/quality"), help="for dataset and runs; not in git")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    dataset = prepared(arguments.data, arguments.work / "dataset")
    runs = []
    for seed in arguments.seeds:
        recipe = load_recipe(RECIPE, [f"train.seed={seed}"])
        runs.append(train_run(dataset, recipe, arguments.work / f"seed{seed}", resume=True, screen=Screen(print)))
    facts = environment()
    result = {
        "data": "ncf-ml-1m",
        "protocol": "leave-one-out, 99 fixed negatives a user (SAMPLED), ties count against the model",
        "recipe": RECIPE,
        "seeds": arguments.seeds,
        "machine": {key: facts[key] for key in ("cpu", "python", "packages")},
        "measured": of_runs(runs),
        "published": PUBLISHED,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["measured"], indent=2))


if __name__ == "__main__":
    main()
