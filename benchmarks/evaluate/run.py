"""Full ranking of 6,040 users by the same NeuMF: RecBole 1.2.1 against aisle, in turns, in one run.

    python -m benchmarks.evaluate.run --data ../shared/data --work .bench

Makes a virtual environment for RecBole under --work the first time (about 1.5 GB), checks that both sides find the same
metrics for the same weights, and writes benchmarks/evaluate/results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchmarks.evaluate.question import NAME, Question, ask, write_for_recbole

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECBOLE = "recbole==1.2.1"
# Metrics of float32 scores through other orders of summation: a few users' ranks may differ by one.
AGREEMENT = 0.001


@dataclass
class Worker:
    """A process that evaluates once for every line it is sent."""

    name: str
    process: subprocess.Popen[str]
    questions: IO[str]
    answers: IO[str]
    facts: dict[str, Any]

    @classmethod
    def start(cls, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> Worker:
        """Start the process and wait until it is ready; what it says on the way goes to a log in the folder."""
        with (folder / f"{name.replace(' ', '-')}.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        if process.stdin is None or process.stdout is None:
            raise SystemExit(f"{name} has no pipes")
        worker = cls(name, process, process.stdin, process.stdout, {})
        worker.facts = worker.read("ready")
        return worker

    def read(self, key: str) -> dict[str, Any]:
        """Return the next JSON line that has this key, passing over what libraries print."""
        for line in self.answers:
            if line.startswith("{") and key in (answer := json.loads(line)):
                return dict(answer)
        raise SystemExit(f"{self.name} ended without an answer; see its .log in the --work folder")

    def evaluate(self) -> dict[str, Any]:
        """Evaluate once and wait for the answer."""
        self.questions.write("go\n")
        self.questions.flush()
        return self.read("seconds")

    def stop(self) -> None:
        """End the process by ending its input."""
        self.questions.close()
        self.process.wait(timeout=60)


def recbole_python(work: Path) -> Path:
    """Return the Python of RecBole's virtual environment, made when it is not there."""
    folder = work / "recbole-venv"
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        print(f"making a virtual environment for RecBole in {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", str(HERE / "requirements-recbole.txt")], check=True)
        subprocess.run([*pip, "--no-deps", RECBOLE], check=True)
        done.touch()
    return python


def start_workers(data: Path, work: Path, threads: int, batches: list[int]) -> list[Worker]:
    """Start our worker, RecBole's with its defaults, and RecBole's with larger batches."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    ours = [sys.executable, "-m", "benchmarks.evaluate.aisle_worker", "--data", str(data), "--work", str(work)]
    ours += ["--threads", str(threads)]
    with_us = {**environment, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    workers = [Worker.start("aisle", ours, work, with_us)]
    workers.append(Worker.start("aisle with lists and intervals", [*ours, "--everything"], work, with_us))
    theirs = [str(recbole_python(work)), str(HERE / "recbole_worker.py"), "--folder", str(work), "--name", NAME]
    theirs += ["--threads", str(threads)]
    environment.pop("PYTHONPATH", None)
    workers.append(Worker.start("recbole", theirs, work, environment))
    for batch in batches:
        name = f"recbole eval_batch_size {batch}"
        workers.append(Worker.start(name, [*theirs, "--batch", str(batch)], work, environment))
    return workers


def measure(workers: list[Worker], repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Evaluate in turns, A B C A B C, after one round that is thrown away."""
    runs: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in workers}
    for turn in range(repeats + 1):
        for worker in workers:
            answer = worker.evaluate()
            print(f"{'warm-up' if turn == 0 else f'run {turn}'}  {worker.name:32} {answer['seconds']:8.2f} s", flush=True)
            if turn:
                runs[worker.name].append(answer)
    return runs


def disagreement(runs: dict[str, list[dict[str, Any]]]) -> float:
    """Return the largest difference between our metrics and RecBole's."""
    ours, theirs = runs["aisle"][0]["metrics"], runs["recbole"][0]["metrics"]
    return max(abs(float(ours[name]) - float(theirs[name])) for name in ours)


def report(runs: dict[str, list[dict[str, Any]]], workers: list[Worker], question: Question, threads: int) -> dict[str, Any]:
    """Return medians, spread, ratios, and what they were measured on."""
    sides = {}
    for worker in workers:
        seconds = sorted(run["seconds"] for run in runs[worker.name])
        sides[worker.name] = {
            "median_s": round(statistics.median(seconds), 3),
            "min_s": round(seconds[0], 3),
            "max_s": round(seconds[-1], 3),
            "runs_s": [round(run["seconds"], 3) for run in runs[worker.name]],
            "metrics": runs[worker.name][0]["metrics"],
            **{name: value for name, value in worker.facts.items() if name != "ready"},
        }
    ours = sides["aisle"]["median_s"]
    return {
        "what": "full-ranking evaluation of NeuMF (64 + 64 factors, hidden 128, 64), the same weights on both sides",
        "command": "python -m benchmarks.evaluate.run --data ../shared/data --work .bench",
        "data": NAME,
        "users": len(question.user_ids),
        "items": len(question.item_ids),
        "aisle": "HR, NDCG, Recall, MRR and MAP at 10: what RecBole measures too; slices",
        "aisle with lists and intervals": "the same, with the lists of all users, coverage and 1,000 bootstrap resamples",
        "machine": {**machine(), "threads": threads},
        "sides": sides,
        "recbole_over_aisle": {
            name: round(side["median_s"] / ours, 1) for name, side in sides.items() if name.startswith("recbole")
        },
        "largest_metric_difference": disagreement(runs),
    }


def machine() -> dict[str, Any]:
    """Describe this machine."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AISLE_PUBLIC_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path(".bench"), help="for RecBole's environment and files; not in git")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--batch", type=int, action="append", help="also measure RecBole with this eval_batch_size")
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    arguments = parser.parse_args()
    data, work = arguments.data.resolve(), arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    question = ask(data, work)
    write_for_recbole(question, data, work)
    workers = start_workers(data, work, arguments.threads, arguments.batch or [])
    runs = measure(workers, arguments.repeats)
    for worker in workers:
        worker.stop()
    result = report(runs, workers, question, arguments.threads)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["recbole_over_aisle"]), f"largest metric difference {result['largest_metric_difference']:.2g}")
    if result["largest_metric_difference"] > AGREEMENT:
        raise SystemExit("the two sides do not measure the same thing")


if __name__ == "__main__":
    main()
