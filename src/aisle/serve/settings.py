"""Every setting of the service, and the one file that reads `AISLE_*` from the environment."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from aisle.errors import AisleError

PREFIX = "AISLE_"
LISTS = ("cors_origins", "allowed_hosts")
# How like a setting a name must be to be taken for it, misspelt. Other commands have variables of their own (AISLE_WHO, ...).
_MISSPELT = 0.75
_HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+|\[[0-9a-f:.]+\]", re.IGNORECASE | re.ASCII)  # a name, or an address


class Settings(BaseModel):
    """How the service listens, batches, limits and keeps; each may be set as AISLE_<NAME> or by its option.

    Times in seconds or milliseconds, as the name says. The defaults are for one process on 2 cores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: str = Field("127.0.0.1", description="address to listen on; only loopback without keys")
    port: int = Field(8000, ge=0, le=65535, description="port; 0 takes a free one and prints it")
    keys: Path | None = Field(None, description="file of API keys, as `aisle serve --new-key` writes it")
    insecure_no_keys: bool = Field(False, description="listen beyond loopback without keys")
    cors_origins: tuple[str, ...] = Field((), description="origins of pages that may call the service, comma-separated")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="names of a service without keys beside this machine's, comma-separated"
    )

    inference_processes: int = Field(
        0, ge=0, le=64, description="processes that score beside the one that answers, each with all models; 0 = a thread scores"
    )
    max_batch: int = Field(32, ge=1, le=4096, description="questions that are scored together at most")
    max_waiting: int = Field(1024, ge=1, description="questions that may wait; one more gets 503")
    latency_budget_ms: float = Field(250.0, gt=0, description="longest wait before a question is scored; beyond it 503")
    answer_timeout_s: float = Field(10.0, gt=0, description="longest time for an answer that is being made")

    max_body_bytes: int = Field(1 << 20, ge=1024, description="largest request body; beyond it 413")
    header_timeout_s: float = Field(5.0, gt=0, description="time for the head of a request to arrive")
    body_timeout_s: float = Field(10.0, gt=0, description="time for a whole request to arrive")
    keep_alive_s: float = Field(75.0, gt=0, description="time that an idle connection is kept; give more than what is in front")
    max_connections: int = Field(1000, ge=1, description="open connections; one more gets 503")

    channel: str = Field("production", description="which channel of a registry is followed")
    public_key: Path | None = Field(None, description="PEM file of the key that bundles must be signed with")
    cache: Path = Field(Path("~/.cache/aisle/bundles"), description="where bundles of a registry are copied to")
    watch_s: float = Field(5.0, ge=0, description="how often to look for a new bundle at the source; 0 = never")

    max_changed_items: int = Field(100_000, ge=1, description="items that /v1/catalogue may change or add")

    drain_s: float = Field(1.0, ge=0, description="after SIGTERM: time as not ready before connections are no longer taken")
    shutdown_timeout_s: float = Field(30.0, gt=0, description="after SIGTERM: longest time for open requests")

    events: str | None = Field(None, description="where events are kept: a folder, a .db file or redis://...; none = no events")
    events_days: float | None = Field(None, gt=0, description="time to live of events, by default 365, of impressions 90")
    impressions: bool = Field(True, description="log what was shown, where events are kept")
    max_impressions: int = Field(10_000, ge=1, description="served lists that wait to be logged; more are dropped and counted")

    page: bool = Field(True, description="the page at /, where a person compares the models")
    page_notice: str | None = Field(None, description="what the page says on top, such as that the shop is simulated")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level of log lines")
    access_log: bool = Field(True, description="one log line a request")

    @field_validator("allowed_hosts")
    @classmethod
    def _names_alone(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what no `Host` would ever be equal to."""
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no name of a machine; give it without scheme, port, path or `*`")
        return hosts


def read_settings(environment: Mapping[str, str] | None = None, **options: Any) -> Settings:
    """Return the settings: options given on the command line, then the environment, then the defaults.

    Args:
        environment: by default that of this process.
        options: values by setting; None = not given.

    Raises:
        AisleError: E080 for an AISLE_ variable that looks like a misspelt setting, or a value that does not fit.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for name, text in environment.items():
        setting = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX):
            continue
        if setting not in Settings.model_fields:
            _check_spelling(name, setting)
            continue
        values[setting] = [part.strip() for part in text.split(",") if part.strip()] if setting in LISTS else text
    values |= {name: value for name, value in options.items() if value is not None}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise AisleError(
            f"setting {name} is {first['input']!r}: {first['msg']}",
            hint=f"{Settings.model_fields[name].description}; set {PREFIX}{name.upper()} or --{name.replace('_', '-')}",
            code="E080",
        ) from error
    if settings.max_waiting < settings.max_batch:  # the questions of one batch call come max_batch at a time
        raise AisleError(
            f"setting max_waiting is {settings.max_waiting}, less than max_batch, {settings.max_batch}: no full batch could wait",
            hint="raise --max-waiting (AISLE_MAX_WAITING) or lower --max-batch",
            code="E080",
        )
    return settings


def _check_spelling(name: str, setting: str) -> None:
    close = difflib.get_close_matches(setting, Settings.model_fields, n=1, cutoff=_MISSPELT)
    if close:
        meant = PREFIX + close[0].upper()
        raise AisleError(f"the environment sets {name}, which is no setting", hint=f"did you mean '{meant}'?", code="E080")
