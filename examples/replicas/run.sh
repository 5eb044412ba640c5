#!/usr/bin/env bash
# Starts three sidecars on one Redis, and shows that a key and a limit are the same at each. See README.md beside this file.
set -euo pipefail
cd "$(dirname "$0")/../.."

policies=${SENDGATE_POLICIES:-$PWD/target/policies}
programs=${SENDGATE_BIN:-$PWD/target/debug}
plivo=${PLIVO_URL:-http://127.0.0.1:8790}
export REDIS_URL=${REDIS_URL:-redis://127.0.0.1:6379}
export SENDGATE_HASH_KEY=${SENDGATE_HASH_KEY:-one-key-for-all-replicas-of-the-example}

folder=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" && wait "$pid" || true; done
    rm -rf "$folder"
}
trap cleanup EXIT

# The address of the listener "$2" that the log "$1" tells.
address() {
    sed -nE "/\"listener\":\"$2\"/ s/.*\"address\":\"([^\"]+)\".*/\1/p" "$1"
}

urls=()
for n in 1 2 3; do
    mkdir "$folder/$n"
    sed -e "s|\.\./\.\./target/policies|$policies|" -e "s|http://127.0.0.1:8790|$plivo|" \
        examples/replicas/sidecar.toml >"$folder/$n/sidecar.toml"
    "$programs/sendgate" run --config "$folder/$n/sidecar.toml" >"$folder/$n/log" 2>&1 &
    pids+=($!)
done
for n in 1 2 3; do
    until [[ -n $(address "$folder/$n/log" apps) && -n $(address "$folder/$n/log" admin) ]]; do
        kill -0 "${pids[n - 1]}" 2>/dev/null || { cat "$folder/$n/log"; exit 1; }
        sleep 0.1
    done
    admin=$(address "$folder/$n/log" admin)
    until curl --silent "http://$admin/readyz" | grep -q '"shared_trouble": *null'; do
        kill -0 "${pids[n - 1]}" 2>/dev/null || { cat "$folder/$n/log"; exit 1; }
        sleep 0.1
    done
    urls+=("http://$(address "$folder/$n/log" apps)")
    echo "replica $n: ${urls[n - 1]}"
done

# Sends the text "$2" through replica "$1"; further arguments are curl's.
send() {
    curl --silent --show-error "${urls[$1 - 1]}/v1/messages" --header "Authorization: Bearer shop-token" \
        --json "{\"to\": \"+14155550123\", \"text\": \"$2\"}" "${@:3}"
}

echo "== the same request under one key at each replica: one send, one id"
key="replicas-$$-$RANDOM"
for n in 1 2 3; do
    answer=$(send "$n" "Order 17 is on its way" --header "Idempotency-Key: $key")
    echo "replica $n: $(sed -E 's/.*"id": ?"([^"]+)".*/\1/' <<<"$answer")"
done

echo "== twelve texts more, in turn: ten messages a minute over all of them, of which one is sent"
for nth in {1..12}; do
    n=$(((nth - 1) % 3 + 1))
    echo "replica $n: $(send "$n" "Text $nth" --output /dev/null --write-out '%{http_code}')"
done
