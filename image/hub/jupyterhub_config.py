"""JupyterHub of a team: people sign in at its OpenID Connect provider, and each has a container of the lab image.

Every setting is a variable of the environment; docs/image.md has the table. The hub does not start where one is missing.
"""

import os
from pathlib import Path

from docker.types import DeviceRequest
from oauthenticator.generic import GenericOAuthenticator
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError

c = get_config()  # noqa: F821 - put there by traitlets

STATE = "/state"
# What a lab keeps, a volume each and for each person; the same places as in compose.yaml.
PLACES = {
    "home": "/home/aisle",
    "workspace": "/workspace",
    "notebooks": "/workspace/notebooks",
    "checkpoints": "/workspace/checkpoints",
    "logs": "/workspace/logs",
    "data": "/workspace/data",
}


def refuse(why):
    """End the hub before it listens."""
    raise SystemExit(f"hub: refused to start: {why}")


def given(name, what):
    """Return a setting that has no default."""
    return os.environ.get(name, "").strip() or refuse(f"{name} is not set; it is {what}")


PLAIN_HTTP = os.environ.get("HUB_PLAIN_HTTP", "") == "yes"


def address(name, what):
    """Return an address that passwords, codes or tokens are sent to: https, unless told otherwise."""
    url = given(name, what)
    if url.startswith("https://") or (PLAIN_HTTP and url.startswith("http://")):
        return url
    return refuse(f"{name} is '{url}'; expected https://..., since secrets are sent there. HUB_PLAIN_HTTP=yes is for tests alone")


def client_secret():
    """Return the secret from its file, or from the environment, and leave it to no child process."""
    text, file = os.environ.pop("OAUTH_CLIENT_SECRET", "").strip(), os.environ.get("OAUTH_CLIENT_SECRET_FILE", "")
    if text:
        return text
    if not file:
        return refuse(
            "neither OAUTH_CLIENT_SECRET_FILE nor OAUTH_CLIENT_SECRET is set; it is what the provider gave with the client id"
        )
    try:
        text = Path(file).read_text().strip()
    except OSError as error:
        return refuse(f"OAUTH_CLIENT_SECRET_FILE is '{file}', which cannot be read: {error.strerror}")
    return text or refuse(f"OAUTH_CLIENT_SECRET_FILE is '{file}', which is empty")


class Listed(GenericOAuthenticator):
    """Lets in whom the provider has signed in and the list names, and nobody else."""

    async def check_allowed(self, username, auth_model):
        """Refuse an e-mail address that the provider has not verified: anybody can write another's into an account."""
        about = (auth_model or {}).get("auth_state", {}).get("oauth_user", {})
        if self.username_claim == "email" and about.get("email_verified") is not True:
            return False
        return await super().check_allowed(username, auth_model)

    async def get_token_info(self, handler, params):
        """Answer 403 to a code that the provider did not give for this browser; by itself the hub would say 500."""
        try:
            return await super().get_token_info(handler, params)
        except HTTPClientError as error:
            if error.code != 400:
                raise
            self.log.warning("the provider refused a code: %s", error)
            raise HTTPError(403, "the provider does not know this code") from error

    def add_user(self, user):
        """Block whom an earlier list named: cookies and tokens open nothing any more, and the server is stopped.

        The hub calls this at each start for everybody whom it knows; by itself it would leave them what they hold.
        """
        super().add_user(user)
        if user.name not in self.allowed_users:
            self.blocked_users = self.blocked_users | {user.name}


# Who comes in.
c.JupyterHub.authenticator_class = Listed
c.OAuthenticator.client_id = given("OAUTH_CLIENT_ID", "the name of this hub at the provider")
c.OAuthenticator.client_secret = client_secret()
c.OAuthenticator.oauth_callback_url = address("OAUTH_CALLBACK_URL", "https://THIS-HUB/hub/oauth_callback")
c.OAuthenticator.authorize_url = address("OAUTH2_AUTHORIZE_URL", "the provider's authorization_endpoint")
c.OAuthenticator.token_url = address("OAUTH2_TOKEN_URL", "the provider's token_endpoint")
c.OAuthenticator.userdata_url = address("OAUTH2_USERDATA_URL", "the provider's userinfo_endpoint")
c.OAuthenticator.username_claim = given("OAUTH2_USERNAME_KEY", "the claim that names a person, such as sub or email")
c.OAuthenticator.scope = os.environ.get("OAUTH_SCOPE", "openid profile email").split()
c.OAuthenticator.enable_pkce = True
c.OAuthenticator.validate_server_cert = True
c.OAuthenticator.login_service = "OpenID Connect"
c.Authenticator.allowed_users = set(
    given("HUB_ALLOWED_USERS", "who may come in, names with commas between").replace(",", " ").split()
)
c.Authenticator.allow_existing_users = False
c.JupyterHub.cookie_max_age_days = 1
c.JupyterHub.token_expires_in_max_seconds = 24 * 3600  # a token of /hub/token lives no longer than the login it was made with may
if not PLAIN_HTTP:
    c.JupyterHub.tornado_settings = {"cookie_options": {"secure": True}}

# What they get: a container each, as closed as the lab of compose.yaml.
c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = os.environ.get("LAB_IMAGE") or "pytorch-cuda:v2.7"
# The name has no registry in it; whoever owned it on Docker Hub would be asked.
c.DockerSpawner.pull_policy = "never"
c.DockerSpawner.cmd = ["hub"]
c.DockerSpawner.network_name = os.environ.get("HUB_NETWORK") or "aisle-hub"
c.DockerSpawner.name_template = "{prefix}-{username}"
c.DockerSpawner.prefix = os.environ.get("HUB_PREFIX") or "aisle-lab"
c.DockerSpawner.volumes = {f"{{prefix}}-{{username}}-{name}": place for name, place in PLACES.items()}
c.DockerSpawner.remove = True
c.DockerSpawner.mem_limit = os.environ.get("LAB_MEMORY", "8gb").lower().removesuffix("b").upper()
c.DockerSpawner.extra_host_config = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "pids_limit": 4096,
    "shm_size": os.environ.get("SHM_SIZE", "2gb"),
    "tmpfs": {"/tmp": "mode=1777", "/run/aisle": "uid=1000,gid=1000,mode=0700"},  # noqa: S108 - of the container
}
if os.environ.get("LAB_GPUS") == "all":
    c.DockerSpawner.extra_host_config["device_requests"] = [DeviceRequest(count=-1, capabilities=[["gpu"]])]
c.Spawner.environment = {"AISLE_GPU_MEMORY": os.environ.get("AISLE_GPU_MEMORY", "")}
# ~/.jupyter is on the volume: without this it could switch the hub's door off.
c.Spawner.disable_user_config = True
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 120

# Where things are: one port to the outside, the hub's own to the labs; the proxy's own to nobody.
c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:8001"
c.ConfigurableHTTPProxy.pid_file = "/tmp/proxy.pid"  # noqa: S108 - gone with the container, like the process
c.JupyterHub.db_url = f"sqlite:///{STATE}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{STATE}/cookie_secret"
# Notebooks go on while the hub is restarted or replaced.
c.JupyterHub.cleanup_servers = False
