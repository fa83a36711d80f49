#!/opt/aisle/bin/python
"""Exit 0 when the service is ready to answer."""

import os
import urllib.request

with urllib.request.urlopen(f"http://127.0.0.1:{os.environ['AISLE_PORT']}/health/ready", timeout=3):
    pass
