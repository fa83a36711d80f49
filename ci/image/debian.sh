#!/usr/bin/env bash
# Make a Debian with Python 3.11 on the spot, as the image NAME: ci/image/debian.sh NAME
# Like Debian's own slim images it leaves out manuals, documents and translations.
set -euo pipefail
name=$1
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } \
  | grep -v '^ *#' | grep -oE 'https?://[^ ]*/debian/?( |$)' | head -n 1 | tr -d ' ')
tar=$(mktemp --suffix=.tar)
trap 'rm -f "$tar"' EXIT
without=(--dpkgopt=force-unsafe-io)
for folder in doc man info locale lintian; do without+=("--dpkgopt=path-exclude=/usr/share/$folder/*"); done
mmdebstrap --quiet --variant=minbase --include=python3,ca-certificates "${without[@]}" bookworm "$tar" "${mirror:-http://deb.debian.org/debian}"
docker import "$tar" "$name" >/dev/null
