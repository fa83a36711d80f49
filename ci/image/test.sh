#!/usr/bin/env bash
# Build the images for real, start them with compose, and attack them: `make test-image`. Whatever is missing fails; nothing skips.
#
#   ci/image/test.sh            everything
#   ci/image/test.sh build      up to the images, for work on the tests: then `pytest -m image tests/image`
#
# Needs Debian 12 as root, or a docker of its own that runs; see engine.sh. Where no image can be pulled the base is made on the spot, with
# the CPU build of torch from pip's folder of wheels (`pip config get global.find-links`). Not tested here, for want of them: a GPU
# inside a container, the published pytorch/pytorch images, processors other than x86_64.
set -euo pipefail
cd "$(dirname "$0")/../.."
CACHE=${ENGINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aisle/engine}
PYTHON=${PYTHON:-.venv/bin/python}
IMAGES=${TEST_IMAGES:-aisle-ci}
export TEST_IMAGES=$IMAGES
stage() { printf '\n=== %s (%s s)\n' "$1" "$SECONDS"; }
fail() { printf 'test-image: %s\n' "$1" >&2; exit 1; }
asked() { "$PYTHON" -m pip config get "$1" 2>/dev/null || true; }

stage "engine"
# Stopped however this ends; one that was there before is left alone.
ci/image/engine.sh running || trap 'ci/image/engine.sh stop' EXIT
ci/image/engine.sh start >/dev/null || fail "no docker engine: images are not tested, so this fails"
eval "$(ci/image/engine.sh env)"
docker version --format 'docker {{.Server.Version}}'

stage "checkers"
if ! cmp -s ci/image/tools.txt "$CACHE/tools/made-of.txt"; then
  rm -rf "$CACHE/tools"
  "$PYTHON" -m venv "$CACHE/tools"
  "$CACHE/tools/bin/python" -m pip install --quiet --disable-pip-version-check --requirement ci/image/tools.txt 2>"$CACHE/tools.log" || { cat "$CACHE/tools.log" >&2; fail "the checkers cannot be installed"; }
  cp ci/image/tools.txt "$CACHE/tools/made-of.txt"
fi
export PATH=$CACHE/tools/bin:$PATH

stage "hadolint, shellcheck, yamllint"
hadolint image/Dockerfile image/hub/Dockerfile ci/image/base.Dockerfile
mapfile -t scripts < <(git ls-files 'image/**.sh' 'ci/image/*.sh' 'image/*.sh' | sort -u)
shellcheck "${scripts[@]}"
yamllint --strict -d '{extends: default, rules: {line-length: {max: 140}, document-start: disable, comments-indentation: disable}}' image/ ci/image/

stage "base"
secrets=()
# The certificates that pip trusts here, or those of the machine: a network may inspect TLS.
ca=${PIP_CERT:-$(asked global.cert)}
if [[ -z $ca && -e /etc/ssl/certs/ca-certificates.crt ]]; then ca=/etc/ssl/certs/ca-certificates.crt; fi
if [[ -n $ca ]]; then secrets=(--secret "id=ca,src=$ca"); fi
torch_version=$(sed -n 's/^torch==//p' requirements.lock)
wheels=${PIP_FIND_LINKS:-$(asked global.find-links)}
if [[ -z $wheels ]]; then  # no folder of wheels: pip takes torch from its index
  wheels=$CACHE/no-wheels
  mkdir -p "$wheels"
fi
# The day is part of the name: a Debian of today has today's security updates, and is made once a day.
debian=$IMAGES/debian:$(date -u +%Y%m%d)
docker image inspect "$debian" >/dev/null 2>&1 || ci/image/debian.sh "$debian"
for target in build base; do
  docker build --quiet --file ci/image/base.Dockerfile --target "$target" --tag "$IMAGES/$target" --build-arg "DEBIAN=$debian" \
    --build-arg "TORCH_VERSION=$torch_version" --build-context "torch=$wheels" "${secrets[@]}" .
done

stage "the three images, with aisle image build"
arguments=(--base "$IMAGES/base" --build-arg "SERVE_BASE=$debian" --build-arg "BUILD_BASE=$IMAGES/build")
if [[ -n $ca ]]; then arguments+=(--ca "$ca"); fi
for target in train lab serve; do
  BUILDKIT_PROGRESS=plain "${PYTHON%/python}/aisle" image build "$target" --tag "$IMAGES/$target" "${arguments[@]}" \
    --sbom "$CACHE/$target.cdx.json" >"$CACHE/$target.log" 2>&1 || { tail -n 60 "$CACHE/$target.log" >&2; fail "$target was not built"; }
done

stage "the hub, and a provider to test it with"
provider=$CACHE/provider
if ! cmp -s ci/image/provider/package-lock.json "$provider/made-of.json"; then
  rm -rf "$provider"
  mkdir -p "$provider"
  cp ci/image/provider/package*.json "$provider"
  NODE_EXTRA_CA_CERTS=$ca npm ci --prefix "$provider" --ignore-scripts --no-audit --no-fund --fetch-timeout 20000 --fetch-retries 5 >"$CACHE/provider.log" 2>&1 \
    || { cat "$CACHE/provider.log" >&2; fail "npm cannot install the provider"; }
  cp ci/image/provider/package-lock.json "$provider/made-of.json"
fi
cp ci/image/provider/server.mjs "$provider"
docker build --quiet --file image/hub/Dockerfile --tag "$IMAGES/hub" --build-arg "BASE=$debian" --build-arg "BUILD_BASE=$IMAGES/build" "${secrets[@]}" .
docker image ls --filter "reference=$IMAGES/*"
if [[ ${1:-} == build ]]; then
  trap - EXIT
  exit
fi

stage "attacks"
export TEST_SBOMS=$CACHE TEST_PROVIDER=$provider TEST_CA=$ca TEST_BUILD_ARGUMENTS="SERVE_BASE=$debian BUILD_BASE=$IMAGES/build"
"$PYTHON" -m pytest -m image tests/image --timeout 600 -q --durations 10

# The cache folder keeps one Debian and 8 GB of layers.
docker image ls --format '{{.Repository}}:{{.Tag}}' "$IMAGES/debian" | { grep -vxF "$debian" || true; } | xargs --no-run-if-empty docker image rm >/dev/null
docker image prune --force >/dev/null
docker builder prune --force --keep-storage 8GB >/dev/null

stage "done"
