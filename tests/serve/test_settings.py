"""Settings: options before the environment before the defaults, and nothing misspelt goes unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.serve.settings import Settings, read_settings


def test_an_option_stands_before_the_environment_and_that_before_the_default() -> None:
    environment = {"AISLE_PORT": "9000", "AISLE_HOST": "127.0.0.2", "PATH": "/bin"}
    settings = read_settings(environment, port=9001, max_batch=None)
    assert (settings.port, settings.host, settings.max_batch) == (9001, "127.0.0.2", Settings().max_batch)


def test_words_of_the_environment_become_values() -> None:
    settings = read_settings(
        {"AISLE_CORS_ORIGINS": "https://a,https://b", "AISLE_KEYS": "k.json", "AISLE_ACCESS_LOG": "false", "AISLE_WATCH_S": "0.5"}
    )
    assert settings.cors_origins == ("https://a", "https://b")
    assert (settings.keys, settings.access_log, settings.watch_s) == (Path("k.json"), False, 0.5)


def test_by_default_only_this_machine_is_answered_and_no_other_page() -> None:
    assert (Settings().host, Settings().cors_origins, Settings().insecure_no_keys) == ("127.0.0.1", (), False)


def test_a_misspelt_setting_gets_a_suggestion() -> None:
    with pytest.raises(AisleError, match="AISLE_PROT") as error:
        read_settings({"AISLE_PROT": "1"})
    assert (error.value.code, error.value.hint) == ("E080", "did you mean 'AISLE_PORT'?")


@pytest.mark.parametrize("name", ["PUBLIC_DATA", "WHO", "REQUIRE_CHROMIUM", "REGISTRY", "PROMOTE", "RECIPE", "LOGS", "ITEMS"])
def test_variables_of_other_commands_are_theirs(name: str) -> None:
    assert read_settings({f"AISLE_{name}": "x"}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("MAX_BATCH", "0"),
        ("LATENCY_BUDGET_MS", "nan"),
        ("LOG_LEVEL", "loud"),
        ("DRAIN_S", "-1"),
    ],
)
def test_a_value_that_does_not_fit_is_named(name: str, value: str) -> None:
    with pytest.raises(AisleError) as error:
        read_settings({f"AISLE_{name}": value})
    assert error.value.code == "E080"
    assert value in error.value.message
    assert f"AISLE_{name}" in error.value.hint


def test_a_queue_that_no_full_batch_fits_in_is_refused() -> None:
    with pytest.raises(AisleError, match="max_waiting is 16, less than max_batch, 32") as error:
        read_settings({"AISLE_MAX_WAITING": "16"})
    assert error.value.code == "E080"
    assert read_settings({"AISLE_MAX_WAITING": "16"}, max_batch=16).max_waiting == 16


def test_lists_are_given_with_commas() -> None:
    assert read_settings({"AISLE_ALLOWED_HOSTS": "shop.example,shop"}).allowed_hosts == ("shop.example", "shop")


@pytest.mark.parametrize("host", ["shop.example", "shop_1", "192.0.2.7", "[2001:db8::1]", "2001:db8::1"])
def test_names_and_addresses_are_allowed(host: str) -> None:
    assert read_settings({}, allowed_hosts=(host,)).allowed_hosts == (host,)


@pytest.mark.parametrize("host", ["shop.example:8000", "https://shop.example", "*", "*.shop.example", "shop.example/", "a b", ""])
def test_what_no_host_is_ever_equal_to_is_refused(host: str) -> None:
    with pytest.raises(AisleError, match="no name of a machine") as refused:
        read_settings({}, allowed_hosts=(host,))
    assert refused.value.code == "E080"
