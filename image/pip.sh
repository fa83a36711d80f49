#!/usr/bin/env bash
# Run pip while an image is built: pip.sh WORD...
# The index comes from PIP_INDEX_URL. What must stay out of the image comes as build secrets: "pip_conf" (an index with a password in
# its address) and "ca" (the certificates of a network that inspects TLS).
set -euo pipefail
if [[ -s /run/secrets/ca ]]; then export PIP_CERT=/run/secrets/ca; fi
if [[ -s /run/secrets/pip_conf ]]; then export PIP_CONFIG_FILE=/run/secrets/pip_conf; fi
if [[ -z ${PIP_INDEX_URL:-} ]]; then unset PIP_INDEX_URL; fi
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# A base whose Python belongs to the distribution has pip for its own packages only; with --python it installs elsewhere.
export PIP_BREAK_SYSTEM_PACKAGES=1
PATH=${PATH#/opt/aisle/bin:} python3 -m pip "$@"
