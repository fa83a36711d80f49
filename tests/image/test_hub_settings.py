"""The settings of the hub: what is missing or not safe ends it before it listens."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.image.engine import address, docker, run, wait_healthy

pytestmark = pytest.mark.image
SECRET = "a-client-secret-of-the-tests"  # noqa: S105
WHOLE = {
    "OAUTH_CLIENT_ID": "the-hub",
    "OAUTH_CLIENT_SECRET": SECRET,
    "OAUTH_CALLBACK_URL": "https://labs.shop.example/hub/oauth_callback",
    "OAUTH2_AUTHORIZE_URL": "https://id.shop.example/auth",
    "OAUTH2_TOKEN_URL": "https://id.shop.example/token",
    "OAUTH2_USERDATA_URL": "https://id.shop.example/me",
    "OAUTH2_USERNAME_KEY": "email",
    "HUB_ALLOWED_USERS": "ada@shop.example",
}


CASES: list[tuple[dict[str, str], str]] = [
    *(({name: ""}, f"{name} is not set") for name in WHOLE if name != "OAUTH_CLIENT_SECRET"),
    *(({name: "http://id.shop.example/x"}, f"{name} is 'http://id.shop.example/x'") for name in WHOLE if name.endswith("_URL")),
    ({"OAUTH_CLIENT_SECRET": ""}, "neither OAUTH_CLIENT_SECRET_FILE nor OAUTH_CLIENT_SECRET is set"),
    (
        {"OAUTH_CLIENT_SECRET": "", "OAUTH_CLIENT_SECRET_FILE": "/nowhere"},
        "OAUTH_CLIENT_SECRET_FILE is '/nowhere', which cannot be read",
    ),
    (
        {"OAUTH_CLIENT_SECRET": "", "OAUTH_CLIENT_SECRET_FILE": "/dev/null"},
        "OAUTH_CLIENT_SECRET_FILE is '/dev/null', which is empty",
    ),
    ({"HUB_PLAIN_HTTP": "yes", "OAUTH2_TOKEN_URL": "ftp://x"}, "OAUTH2_TOKEN_URL is 'ftp://x'"),
]
# Reads the configuration once for each environment, in one container.
READ = """
import json, os, sys
from traitlets.config import Config
text, told = open("/etc/jupyterhub/jupyterhub_config.py").read(), []
for environment in json.loads(sys.argv[1]):
    os.environ.clear()
    os.environ.update(environment)
    try:
        exec(compile(text, "config", "exec"), {"get_config": Config})
        told.append("")
    except SystemExit as error:
        told.append(str(error))
print(json.dumps(told))
"""


def test_settings_that_would_not_be_safe_are_refused_by_name(hub_image: str) -> None:
    environments = json.dumps([WHOLE, *({**WHOLE, **changed} for changed, _ in CASES)])
    told = json.loads(docker("run", "--rm", "--entrypoint", "python", hub_image, "-c", READ, environments))
    assert told[0] == ""
    for text, (_, wanted) in zip(told[1:], CASES, strict=True):
        assert text.startswith(f"hub: refused to start: {wanted}")
        assert SECRET not in text


@pytest.mark.parametrize("changed", [CASES[0], CASES[7]])
def test_a_hub_that_would_not_be_safe_does_not_start(hub_image: str, changed: tuple[dict[str, str], str]) -> None:
    words = [word for name, value in {**WHOLE, **changed[0]}.items() for word in ("-e", f"{name}={value}")]
    ended = run("docker", "run", "--rm", *words, hub_image, check=False)
    assert ended.returncode != 0
    assert f"hub: refused to start: {changed[1]}" in ended.stderr


def test_a_lab_that_is_told_of_a_hub_which_is_not_there_does_not_start(lab_image: str) -> None:
    assert run("docker", "run", "--rm", lab_image, "timeout", "60", "lab-start", "hub", check=False).returncode not in (0, 124)


def test_behind_tls_every_cookie_is_for_https_alone_and_the_code_is_bound_to_the_browser(
    hub_image: str, containers: list[str]
) -> None:
    words = [word for name, value in WHOLE.items() for word in ("-e", f"{name}={value}")]
    containers.append(docker("run", "--detach", "--hostname", "hub", "--publish", "127.0.0.1::8000", *words, hub_image))
    wait_healthy(containers[0])
    host, port = address(containers[0], 8000)
    # Without X-Forwarded-Proto: also where the proxy with TLS does not send it.
    with httpx.Client(base_url=f"http://{host}:{port}") as browser:
        page, sent = browser.get("/hub/login"), browser.get("/hub/oauth_login")
    set_cookies = [*page.headers.get_list("set-cookie"), *sent.headers.get_list("set-cookie")]
    assert {cookie.split("=")[0] for cookie in set_cookies} == {"_xsrf", "oauthenticator-state"}
    assert [cookie for cookie in set_cookies if "Secure" not in cookie.split("; ")] == []
    asked = dict(httpx.URL(sent.headers["location"]).params)
    assert sent.headers["location"].startswith("https://id.shop.example/auth?")
    assert (asked["redirect_uri"], asked["code_challenge_method"]) == (WHOLE["OAUTH_CALLBACK_URL"], "S256")
    assert asked["state"]
