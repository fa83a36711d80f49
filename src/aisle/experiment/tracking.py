"""A run told to MLflow as it happens: parameters, epochs, test metrics with their intervals, and the report's files."""

from __future__ import annotations

import importlib.util
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from aisle.errors import AisleError
from aisle.storage.atomic import write_atomic
from aisle.train.watch import EpochRecord

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT = "aisle"
MARK_NAME = "mlflow.json"  # which MLflow run a run folder is told to: a resumed run goes on there
_ARTIFACTS = ("recipe.toml", "environment.json", "dataset.json", "epochs.json", "curves.png", "log.txt")
_PARAMETERS_A_CALL = 100  # MLflow takes no more
_REACH_TIMEOUT_S = 5.0
_INTERRUPTED, _FAILED, _FINISHED = "KILLED", "FAILED", "FINISHED"


class Tracker:
    """One run at an MLflow server or in a store that MLflow can open, such as `sqlite:///mlflow.db`.

    Everything that can be wrong with the place is wrong here, before training begins.

    Args:
        uri: the tracking URI.

    Raises:
        AisleError: E411 when MLflow is not installed, E412 when the server or the store cannot be used.
    """

    def __init__(self, uri: str) -> None:
        if importlib.util.find_spec("mlflow") is None:
            raise AisleError(
                f"tracking to {shown(uri)} needs MLflow, which is not installed",
                hint="pip install 'aisle[tracking]', or leave the tracking URI out",
                code="E411",
            )
        self._uri = uri
        _check_reachable(uri)
        from mlflow.tracking import MlflowClient  # noqa: PLC0415 - an extra, and two seconds: only a tracked run needs it

        with self._reported():
            self._client: MlflowClient = MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(EXPERIMENT)
            self._experiment = found.experiment_id if found else self._client.create_experiment(EXPERIMENT)
        self._run = ""

    def begin(self, folder: Path, tags: Mapping[str, str], recipe: Mapping[str, Any], *, resume: bool) -> None:
        """Open the run, or the one that the folder was told to before it was interrupted.

        Args:
            folder: the run folder; its name is the run's.
            tags: what the run can be found by.
            recipe: every key; sections are flattened to "section.key".
            resume: go on where the folder says.
        """
        from mlflow.entities import Param  # noqa: PLC0415 - as above

        self._folder = folder
        known = _marked(folder, self._uri) if resume else None
        with self._reported():
            if known is not None:
                self._run = known
                self._client.update_run(known, status="RUNNING")
                return
            self._run = self._client.create_run(self._experiment, run_name=folder.name, tags=dict(tags)).info.run_id
            told = [Param(key, str(value)) for key, value in flat(recipe).items()]
            for start in range(0, len(told), _PARAMETERS_A_CALL):
                self._client.log_batch(self._run, params=told[start : start + _PARAMETERS_A_CALL])
        write_atomic(folder / MARK_NAME, json.dumps({"uri": shown(self._uri), "run_id": self._run}, indent=2))

    def epoch(self, record: EpochRecord) -> None:
        """Tell one epoch."""
        told = {"loss": record.loss, "validation": record.validation, "samples_per_s": record.samples_per_s}
        self._tell({f"{record.phase}/{name}": value for name, value in told.items() if value is not None}, step=record.epoch)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Tell the content of metrics.json and hand over the report's files."""
        self._tell(named_metrics(metrics))
        with self._reported():
            self._client.log_text(self._run, json.dumps(metrics, indent=2), "metrics.json")
            for name in _ARTIFACTS:
                if (self._folder / name).exists():
                    self._client.log_artifact(self._run, str(self._folder / name))
            self._client.set_terminated(self._run, _FINISHED)
        self._run = ""

    def _tell(self, values: Mapping[str, float], step: int = 0) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415 - as above

        now_ms = int(time.time() * 1000)
        with self._reported():
            self._client.log_batch(self._run, metrics=[Metric(name, value, now_ms, step) for name, value in values.items()])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close a run that did not finish. The error that ended it is the one to hear of, whatever MLflow says to that."""
        if not self._run or (isinstance(error, AisleError) and error.code == "E412"):
            return
        with self._reported():
            self._client.set_terminated(self._run, _FAILED if isinstance(error, Exception) else _INTERRUPTED)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Turn what MLflow and the database beneath it raise into an error the user can mend."""
        try:
            yield
        except Exception as error:
            raise AisleError(
                f"MLflow at {shown(self._uri)} cannot be used: {type(error).__name__}: {str(error).splitlines()[0]}",
                hint="start or mend it, or leave the tracking URI out; a run that had begun goes on with --resume",
                code="E412",
            ) from error


def flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe as "section.key" -> value; lists as JSON, keys without a value left out."""
    keys: dict[str, Any] = {}
    for name, value in recipe.items():
        section = {f"{name}.{key}": cell for key, cell in value.items()} if isinstance(value, Mapping) else {name: value}
        keys |= {
            key: json.dumps(cell) if isinstance(cell, list | dict) else cell for key, cell in section.items() if cell is not None
        }
    return keys


def named_metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the test metrics with the ends of their intervals, the baselines' and the training time, named for MLflow.

    MLflow takes no "@" in a name: HR@10 is told as HR_at_10.
    """
    told = {"train_seconds": float(metrics["train_seconds"])}
    parts = {"test": metrics["test"], **{f"baseline/{name}": part["test"] for name, part in metrics["baselines"].items()}}
    for part, measured in parts.items():
        for name, metric in measured["metrics"].items():
            plain = f"{part}/{name.replace('@', '_at_')}"
            told[plain] = metric["mean"]
            if metric["ci"] is not None:
                told |= {f"{plain}/low": metric["ci"][0], f"{plain}/high": metric["ci"][1]}
        told |= {f"{part}/{name.replace('@', '_at_')}": value for name, value in measured["aggregates"].items()}
    return told


def shown(uri: str) -> str:
    """Return a URI without the user and password that may stand in it."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else uri


def _check_reachable(uri: str) -> None:
    """Knock at a server once: MLflow itself tries again for minutes before it says that nobody is there."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        return
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=_REACH_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        raise AisleError(
            f"no MLflow server answers at {shown(uri)}: {error}",
            hint="start it, mend the tracking URI, or leave it out (unset MLFLOW_TRACKING_URI)",
            code="E412",
        ) from error


def _marked(folder: Path, uri: str) -> str | None:
    """Return the MLflow run that a folder was told to, where that was at this place."""
    file = folder / MARK_NAME
    mark = json.loads(file.read_text()) if file.exists() else {}
    return str(mark["run_id"]) if mark.get("uri") == shown(uri) else None
