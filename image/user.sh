#!/usr/bin/env bash
# Make the user aisle with a given number; a user of the base that has it already (ubuntu, in Ubuntu 24.04) goes.
# The password is '*': none fits, yet the account is not locked, which sshd would refuse.
set -euo pipefail
uid=$1
there=$(getent passwd "$uid" | cut -d: -f1 || true)
if [[ -n $there ]]; then userdel --remove "$there" 2>/dev/null; fi
group=$(getent group "$uid" | cut -d: -f1 || true)
if [[ -n $group ]]; then groupdel "$group"; fi
groupadd --gid "$uid" aisle
useradd --uid "$uid" --gid aisle --create-home --shell /bin/bash --password '*' aisle
chmod 0750 /home/aisle
