#!/opt/aisle/bin/python
"""Exit 0 when the hub answers through its proxy."""

import sys
import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8000/hub/health", timeout=3) as answer:
    if answer.status != 200:
        sys.exit(f"the hub answered {answer.status}")
