#!/bin/sh
# The whole way on a simulated shop: log -> dataset -> four models -> leaderboard -> recommendations -> bundle -> service.
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
run export "$OUT/ncf" --out "$OUT/bundle" --data-note "The shop, its shoppers and its logs are simulated." --overwrite
run verify "$OUT/bundle"

# The service, for one request: it takes a free port, prints its address, and is stopped however this script ends.
printf '\n$ aisle serve %s --port 0\n' "$OUT/bundle"
"$AISLE" serve "$OUT/bundle" --port 0 > "$OUT/serve.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
url=
for _ in $(seq 100); do
    url=$(sed -n 's/^\(http:[^ ]*\) .*/\1/p' "$OUT/serve.log" | head -n 1)
    [ -n "$url" ] && break
    kill -0 $server || { cat "$OUT/serve.log"; exit 1; }
    sleep 0.1
done
"$(dirname "$AISLE")/python" demo/ask.py "$url" u0000017
kill $server
wait $server
trap - EXIT
