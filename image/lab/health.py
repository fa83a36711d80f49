#!/opt/aisle/bin/python
"""Exit 0 when JupyterLab and sshd both answer."""

import socket
import sys
import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8888/api", timeout=3) as answer:
    if answer.status != 200:
        sys.exit(f"JupyterLab answered {answer.status}")
with socket.create_connection(("127.0.0.1", 22), timeout=3) as connection:
    if not connection.recv(4).startswith(b"SSH-"):
        sys.exit("port 22 speaks no SSH")
