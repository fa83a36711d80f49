#!/usr/bin/env bash
# The programs that slow tests run beside the product: Redis, strace, Chromium, Java (for TorchServe), a C compiler.
# Installed by apt where they are missing; where they cannot be, this fails loudly, so that CI never passes by skipping.
set -euo pipefail

declare -A package=([redis-server]=redis-server [strace]=strace [chromium]=chromium [java]=default-jre-headless [gcc]=gcc)
wanted=()
for program in "${!package[@]}"; do
    command -v "$program" > /dev/null || wanted+=("${package[$program]}")
done
if ((${#wanted[@]})); then
    echo "installing ${wanted[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" > /dev/null
    for program in "${!package[@]}"; do
        command -v "$program" > /dev/null || { echo "$program is still missing" >&2; exit 1; }
    done
fi
