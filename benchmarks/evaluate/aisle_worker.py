"""Our side, in a process of its own: evaluates the network once for every line it is sent."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from aisle.evaluate.evaluation import evaluate
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from aisle.models.ncf import NCF
from benchmarks.evaluate.question import NETWORK, ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--everything", action="store_true", help="lists, coverage and intervals too, as `aisle evaluate` does")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    question = ask(arguments.data, arguments.work)
    model = NCF.from_state(NETWORK, question.weights)
    config = EvaluateConfig() if arguments.everything else EvaluateConfig(lists=False, resamples=0)
    facts = Facts.of(question.known, len(question.item_ids))
    print(json.dumps({"ready": True, "torch": torch.__version__}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        result = evaluate(model, question.cases, config, facts)
        seconds = time.perf_counter() - start
        names = {"HR@10": "hit", "NDCG@10": "ndcg", "MRR@10": "mrr", "Recall@10": "recall"}
        metrics = {short: result.means[name] for name, short in names.items()}
        print(json.dumps({"seconds": seconds, "metrics": metrics}), flush=True)


if __name__ == "__main__":
    main()
