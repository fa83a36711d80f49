#!/bin/sh
# The whole way on a simulated shop: log -> dataset -> four models -> leaderboard -> recommendations.
# Every line is a command that works on your own log too.
set -eu
AISLE=${AISLE:-aisle}
OUT=${OUT:-runs/demo}
run() { printf '\n$ aisle %s\n' "$*"; "$AISLE" "$@"; }

run simulate --users 10000 --items 2000 --events 300000 --seed 1 --out "$OUT/shop" --overwrite
run prepare "$OUT/shop/events.parquet" --items "$OUT/shop/items.parquet" --out "$OUT/dataset" --overwrite
for model in popularity item-knn fm ncf; do
    run train "$OUT/dataset" --recipe "$model" --out "$OUT/$model" --overwrite --quiet
done
run report "$OUT/popularity" "$OUT/item-knn" "$OUT/fm" "$OUT/ncf" --truth "$OUT/shop" --out "$OUT"
run compare "$OUT/fm" "$OUT/ncf"
run recommend "$OUT/ncf" --user u0000017 --user u0000042 --user u0001234
