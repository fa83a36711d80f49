#!/bin/sh
# From today's log to the bundle in production, as a nightly job runs it:
#
#   ci/pipeline.sh                 prepare, train, gate, export, verify, publish
#   ci/pipeline.sh gate            one step, or several by name
#
# Settings are environment variables; docs/automation.md explains each. A step that fails ends the script with its exit
# status; 12 says that the gate stopped a model that is not better than the one in production.
set -eu

AISLE=${AISLE:-aisle}
LOGS=${LOGS:-data/events}
ITEMS=${ITEMS:-}
RECIPE=${RECIPE:-sasrec}
OUT=${OUT:-runs/ci}
REGISTRY=${REGISTRY:-$OUT/registry}
CHANNEL=${CHANNEL:-production}
PROMOTE=${PROMOTE:-yes}
# More options of the command of that name, words separated by spaces.
PREPARE_OPTIONS=${PREPARE_OPTIONS:-}
TRAIN_OPTIONS=${TRAIN_OPTIONS:-}
GATE_OPTIONS=${GATE_OPTIONS:---allow-new-data}
EXPORT_OPTIONS=${EXPORT_OPTIONS:-}
VERIFY_OPTIONS=${VERIFY_OPTIONS:-}

STEPS="prepare train gate export verify publish"
dataset=$OUT/dataset
run=$OUT/run
bundle=$OUT/bundle
verdict=$OUT/gate.txt

show() {
    printf '\n$ aisle %s\n' "$*"
}

call() {
    show "$@"
    "$AISLE" "$@"
}

# shellcheck disable=SC2086  # options are words
step_prepare() {
    set -- prepare "$LOGS" --out "$dataset" --overwrite $PREPARE_OPTIONS
    if [ -n "$ITEMS" ]; then
        set -- "$@" --items "$ITEMS"
    fi
    call "$@"
}

# shellcheck disable=SC2086
step_train() {
    rm -f "$verdict" # of another run
    call train "$dataset" --recipe "$RECIPE" --out "$run" --overwrite $TRAIN_OPTIONS
}

# shellcheck disable=SC2086
step_gate() {
    set -- gate "$run" --against "$REGISTRY" --channel "$CHANNEL" $GATE_OPTIONS
    show "$@"
    "$AISLE" "$@" >"$verdict" # what it says becomes the reason in the registry's history
    cat "$verdict"
}

# shellcheck disable=SC2086
step_export() {
    call export "$run" --out "$bundle" --overwrite $EXPORT_OPTIONS
}

# shellcheck disable=SC2086
step_verify() {
    call verify "$bundle" $VERIFY_OPTIONS
}

step_publish() {
    set -- publish "$bundle" "$REGISTRY" --channel "$CHANNEL"
    if [ "$PROMOTE" = yes ]; then
        why=$(grep '^passed: ' "$verdict") || {
            echo "the gate has not passed $run: call '$0 gate' first" >&2
            exit 12
        }
        set -- "$@" --promote --why "$why"
    fi
    call "$@"
}

# Names are checked before the first step works.
for step in "$@"; do
    case " $STEPS " in
    *" $step "*) ;;
    *)
        echo "no step '$step'; steps: $STEPS" >&2
        exit 2
        ;;
    esac
done

if [ $# -eq 0 ]; then
    # shellcheck disable=SC2086
    set -- $STEPS
fi
for step in "$@"; do
    "step_$step"
done
