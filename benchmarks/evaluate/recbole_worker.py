"""RecBole's side, run by the Python of its own virtual environment: its public API, evaluating once for every line sent.

It imports nothing of aisle. Our weights are put into RecBole's NeuMF row by row, by raw id.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

# RecBole's defaults, except for what the comparison itself fixes: the log, its split and the five metrics it prints.
SETTINGS: dict[str, Any] = {
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
    "show_progress": False,
    "use_gpu": False,
    "metric_decimal_place": 10,
}


def load_weights(model: Any, dataset: Any, weights: Any) -> None:
    """Put our weights into RecBole's NeuMF; its row 0 is padding and stays."""
    rows = {
        "user": torch.tensor(dataset.token2id("user_id", weights["user_ids"].astype(str))),
        "item": torch.tensor(dataset.token2id("item_id", weights["item_ids"].astype(str))),
    }
    first, second = (layer for layer in model.mlp_layers.modules() if isinstance(layer, torch.nn.Linear))
    with torch.no_grad():
        for side, row in rows.items():
            for theirs, ours in (("mf", "gmf"), ("mlp", "mlp")):
                table = getattr(model, f"{side}_{theirs}_embedding").weight
                table[row] = torch.tensor(weights[f"{side}_{ours}.weight"])
        both = np.concatenate([weights["first_user.weight"], weights["first_item.weight"]], axis=1)
        first.weight.copy_(torch.tensor(both))
        first.bias.copy_(torch.tensor(weights["first_user.bias"]))
        second.weight.copy_(torch.tensor(weights["deeper.0.weight"]))
        second.bias.copy_(torch.tensor(weights["deeper.0.bias"]))
        model.predict_layer.weight.copy_(torch.tensor(weights["out.weight"]))
        model.predict_layer.bias.copy_(torch.tensor(weights["out.bias"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="with the log and weights.npz")
    parser.add_argument("--name", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batch", type=int, default=None, help="eval_batch_size; RecBole's default when left out")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.argv = sys.argv[:1]  # RecBole's Config reads the command line too
    settings = {**SETTINGS, "data_path": str(arguments.folder), "checkpoint_dir": str(arguments.folder / "saved")}
    if arguments.batch is not None:
        settings["eval_batch_size"] = arguments.batch
    config = Config(model="NeuMF", dataset=arguments.name, config_dict=settings)
    init_seed(config["seed"], config["reproducibility"])
    torch.set_num_threads(arguments.threads)
    dataset = create_dataset(config)
    train_data, _, test_data = data_preparation(config, dataset)
    model = get_model(config["model"])(config, train_data.dataset)
    load_weights(model, dataset, np.load(arguments.folder / "weights.npz"))
    trainer = Trainer(config, model)
    ready = {"ready": True, "torch": torch.__version__, "eval_batch_size": config["eval_batch_size"]}
    print(json.dumps(ready), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        result = trainer.evaluate(test_data, load_best_model=False, show_progress=False)
        seconds = time.perf_counter() - start
        metrics = {name.removesuffix("@10"): float(value) for name, value in result.items()}
        print(json.dumps({"seconds": seconds, "metrics": metrics}), flush=True)


if __name__ == "__main__":
    main()
