#!/usr/bin/env bash
# What the serve container runs: `aisle serve` with the words given, such as /bundle, or s3://shop/registry --channel production.
# Never without API keys: where AISLE_KEYS names no file, one key is made, kept there as a hash, and printed once.
set -euo pipefail
say() { printf 'serve: %s\n' "$1" >&2; }

case ${1:-} in
  aisle | bash | sh | python | python3) exec "$@" ;;
esac
if [[ -z ${AISLE_INSECURE_NO_KEYS:-} && ! -e $AISLE_KEYS ]]; then
  folder=$(dirname "$AISLE_KEYS")
  [[ -w $folder ]] || { say "there is no $AISLE_KEYS, and $folder cannot be written: mount a file of keys, or a volume"; exit 1; }
  key=$(umask 077 && aisle serve --new-key first --scope recommend --scope events --keys "$AISLE_KEYS" 2>/dev/null)
  say "an API key, shown this once (send it as 'Authorization: Bearer ...'): $key"
fi
exec aisle serve "$@"
