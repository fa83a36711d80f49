#!/usr/bin/env bash
# Install Debian or Ubuntu packages while an image is built: apt.sh PACKAGE...
# APT_MIRROR takes the place of the distribution's servers for this step only; a snapshot mirror makes the versions repeatable.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  if [[ -e $file ]]; then sources+=("$file"); fi
done
if [[ -n ${APT_MIRROR:-} ]]; then
  for file in "${sources[@]}"; do
    cp -p "$file" "$file.before"
    sed -i -E "s#https?://((archive|security)\.ubuntu\.com/ubuntu|deb\.debian\.org/debian)(/| |\$)#${APT_MIRROR%/}\3#" "$file"
  done
fi
apt-get update
apt-get install -y --no-install-recommends "$@"
if [[ -n ${APT_MIRROR:-} ]]; then
  for file in "${sources[@]}"; do mv "$file.before" "$file"; done
fi
# What differs from build to build, and nobody reads: indexes, logs, caches.
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log /var/log/alternatives.log
