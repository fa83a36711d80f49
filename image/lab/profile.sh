# shellcheck shell=sh
# Login shells set PATH anew; an ssh session shall find the same aisle and the same CUDA as a notebook.
if [ -r /run/aisle/environment ]; then
    set -a
    # shellcheck source=/dev/null
    . /run/aisle/environment
    set +a
fi
