"""JupyterLab in the lab image: reachable from outside the container, and never without a token or a password."""

from pathlib import Path

from jupyter_server.auth.identity import PasswordIdentityProvider

c = get_config()  # noqa: F821 - put there by traitlets


class NeverOpen(PasswordIdentityProvider):
    """Asks for the token or the password; without either, however that came about, the server does not start."""

    def validate_security(self, app, ssl_options=None):
        """End the server when anybody could come in."""
        super().validate_security(app, ssl_options)
        if not self.auth_enabled:
            raise SystemExit("lab: refused to start JupyterLab without a token and without a password")


c.ServerApp.identity_provider_class = NeverOpen
c.PasswordIdentityProvider.allow_password_change = False
c.ServerApp.ip = "0.0.0.0"  # noqa: S104 - of the container; what is published is said with -p
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/workspace"
c.ServerApp.allow_unauthenticated_access = False
c.FileContentsManager.delete_to_trash = False

# lab-start has checked and kept them; neither stands on a command line, nor in the environment of kernels and terminals.
secrets = Path("/run/aisle")
if (secrets / "password_hash").exists():
    c.PasswordIdentityProvider.hashed_password = (secrets / "password_hash").read_text().strip()
    c.IdentityProvider.token = ""
elif (secrets / "token").exists():
    c.IdentityProvider.token = (secrets / "token").read_text().strip()
