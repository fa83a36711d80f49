#!/opt/aisle/bin/python
"""Exit 0 when JupyterLab answers and sshd listens; under a JupyterHub there is no sshd."""

import os
import sys
import urllib.request
from pathlib import Path

hub_prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
with urllib.request.urlopen(f"http://127.0.0.1:8888{hub_prefix or '/'}api", timeout=3) as answer:
    if answer.status != 200:
        sys.exit(f"JupyterLab answered {answer.status}")
if hub_prefix:
    sys.exit(0)
# Port 22 (0016) in state LISTEN (0A). Looked up rather than connected to: sshd would log every look.
rows = [row.split() for file in ("tcp", "tcp6") for row in Path("/proc/net", file).read_text().splitlines()[1:]]
if not any(row[1].endswith(":0016") and row[3] == "0A" for row in rows):
    sys.exit("nothing listens on port 22")
