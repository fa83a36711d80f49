#!/usr/bin/env bash
# What the lab container runs: sshd and JupyterLab, both as aisle; when one ends, the container ends. With words: these, instead.
# With the one word "hub", which is how image/hub starts it: JupyterLab alone, and a JupyterHub says who comes in.
#
#   JUPYTER_TOKEN            at least 16 characters; or JUPYTER_TOKEN_FILE, or JUPYTER_PASSWORD_HASH (of `jupyter server password`).
#                            None given: one is made at the first start, kept on the volume, and printed once.
#   SSH_PUBLIC_KEY           one public key a line; or mount a file at /etc/aisle/authorized_keys,
#                            or write ~/.ssh/authorized_keys from JupyterLab's terminal.
set -euo pipefail

STATE=$HOME/.aisle
RUN=/run/aisle
MOUNTED_KEYS=/etc/aisle/authorized_keys
LEAST_TOKEN=16

say() { printf 'lab: %s\n' "$1" >&2; }
fail() { say "$1"; exit 1; }

check_writable() {
  local folder
  for folder in "$@"; do
    [[ -w $folder ]] || fail "$folder cannot be written by user $(id -u): chown the mounted folder to $(id -u), or add a volume or tmpfs there"
  done
}

keep() {  # keep FILE TEXT: a file that only aisle reads, whole or not at all
  local file=$1
  (umask 077 && printf '%s\n' "$2" >"$file.new" && mv -f "$file.new" "$file")
}

token() {
  rm -f "$RUN/token" "$RUN/password_hash"
  if [[ -n ${JUPYTER_PASSWORD_HASH+set} ]]; then
    [[ $JUPYTER_PASSWORD_HASH == argon2:* || $JUPYTER_PASSWORD_HASH == sha?*:*:* ]] \
      || fail "JUPYTER_PASSWORD_HASH is no hash of a password: make one with \`jupyter server password\`"
    keep "$RUN/password_hash" "$JUPYTER_PASSWORD_HASH"
    return
  fi
  local given made=
  if [[ -n ${JUPYTER_TOKEN_FILE+set} ]]; then
    [[ -r $JUPYTER_TOKEN_FILE ]] || fail "JUPYTER_TOKEN_FILE is '$JUPYTER_TOKEN_FILE', which cannot be read"
    given=$(<"$JUPYTER_TOKEN_FILE")
  elif [[ -n ${JUPYTER_TOKEN+set} ]]; then
    given=$JUPYTER_TOKEN
  else
    if [[ ! -s $STATE/jupyter_token ]]; then
      keep "$STATE/jupyter_token" "$(python -c 'import secrets; print(secrets.token_hex(24))')"
      made=yes
    fi
    chmod 600 "$STATE/jupyter_token"
    given=$(<"$STATE/jupyter_token")
  fi
  ((${#given} >= LEAST_TOKEN)) \
    || fail "the token has ${#given} characters; JupyterLab runs code for whoever knows it, so give at least $LEAST_TOKEN, or none to have one made"
  keep "$RUN/token" "$given"
  if [[ -n $made ]]; then say "JupyterLab's token, shown this once and kept in $STATE/jupyter_token: $given"; fi
}

keys() {
  local file=$RUN/authorized_keys
  (umask 077 && : >"$file")
  if [[ -e $MOUNTED_KEYS ]]; then
    [[ -r $MOUNTED_KEYS ]] || fail "$MOUNTED_KEYS cannot be read by user $(id -u): it holds public keys only, so chmod 644 it"
    cat "$MOUNTED_KEYS" >>"$file"
    printf '\n' >>"$file"
  fi
  if [[ -n ${SSH_PUBLIC_KEY:-} ]]; then printf '%s\n' "$SSH_PUBLIC_KEY" >>"$file"; fi
  if grep -q 'PRIVATE KEY' "$file"; then
    : >"$file"
    fail "a private key was given where a public one belongs (the file that ends in .pub): treat that key as known to others"
  fi
  if grep -qvE '^[[:space:]]*(#.*)?$' "$file"; then
    ssh-keygen -l -f "$file" >/dev/null 2>&1 || fail "SSH_PUBLIC_KEY or $MOUNTED_KEYS holds no public key that ssh-keygen can read"
  elif [[ ! -s $HOME/.ssh/authorized_keys ]]; then
    say "no public key yet: give SSH_PUBLIC_KEY, mount $MOUNTED_KEYS, or write ~/.ssh/authorized_keys in JupyterLab's terminal"
  fi
  unset SSH_PUBLIC_KEY
}

host_key() {
  [[ -s $STATE/ssh_host_ed25519_key ]] || ssh-keygen -q -t ed25519 -N '' -C lab -f "$STATE/ssh_host_ed25519_key"
  chmod 600 "$STATE/ssh_host_ed25519_key"
  say "ssh host key $(ssh-keygen -l -f "$STATE/ssh_host_ed25519_key.pub" | cut -d' ' -f2)"
}

environment() {  # what an ssh session shares with a notebook; never a token
  local name
  for name in PATH LD_LIBRARY_PATH CUDA_HOME CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES \
    AISLE_GPU_MEMORY XDG_CACHE_HOME MPLCONFIGDIR OMP_NUM_THREADS TZ; do
    if [[ -n ${!name:-} ]]; then printf '%s=%q\n' "$name" "${!name}"; fi
  done
}

first_notebooks() {
  local file
  for file in /usr/share/aisle/notebooks/*.ipynb; do
    [[ -e /workspace/notebooks/${file##*/} ]] || cp "$file" /workspace/notebooks/
  done
}

if (($#)) && [[ $* != hub ]]; then exec "$@"; fi

check_writable "$HOME" "$RUN" /tmp /workspace /workspace/notebooks /workspace/checkpoints /workspace/logs /workspace/data
mkdir -p "$STATE" "$HOME/.ssh"
chmod 700 "$STATE" "$HOME/.ssh"
if [[ $* == hub ]]; then
  # Ends by itself where no hub has given it a token of its own. It reads /etc/jupyter/jupyter_server_config.py, all but its door.
  rm -f "$RUN/token" "$RUN/password_hash"
  unset JUPYTER_TOKEN JUPYTER_TOKEN_FILE JUPYTER_PASSWORD_HASH
  first_notebooks
  exec jupyterhub-singleuser
fi
token
unset JUPYTER_TOKEN JUPYTER_TOKEN_FILE JUPYTER_PASSWORD_HASH
keys
host_key
environment >"$RUN/environment"
first_notebooks

# SetEnv, for `ssh HOST COMMAND`: such a shell reads no profile.
set_env="SetEnv=PATH=\"$PATH\""
for name in LD_LIBRARY_PATH AISLE_GPU_MEMORY CUDA_VISIBLE_DEVICES XDG_CACHE_HOME MPLCONFIGDIR; do
  if [[ -n ${!name:-} ]]; then set_env+=" $name=\"${!name}\""; fi
done
/usr/sbin/sshd -D -e -o "$set_env" &
ssh_pid=$!
jupyter lab --config=/etc/jupyter/jupyter_server_config.py &
lab_pid=$!
end() { kill "$ssh_pid" "$lab_pid" 2>/dev/null || true; }
trap end TERM INT
status=0
wait -n "$ssh_pid" "$lab_pid" || status=$?
if ! kill -0 "$ssh_pid" 2>/dev/null; then say "sshd has ended (status $status)"; else say "JupyterLab has ended (status $status)"; fi
end
wait || true
exit "$status"
