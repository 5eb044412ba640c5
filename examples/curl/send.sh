#!/usr/bin/env bash
# Sends one SMS with curl and follows it. Needs a sidecar that knows the app: see README.md beside this file.
set -euo pipefail

url=${SENDGATE_URL:-http://127.0.0.1:8787}
token=${SENDGATE_TOKEN:-demo-token}
to=${1:-+14155550123}

echo "== what the policies would say; nothing is sent"
curl --silent --show-error --fail-with-body "$url/v1/explain" \
    --header "Authorization: Bearer $token" --json "{\"to\": \"$to\", \"text\": \"Hello from curl\"}"
echo

echo "== send"
answer=$(curl --silent --show-error --fail-with-body "$url/v1/messages" \
    --header "Authorization: Bearer $token" --header "Idempotency-Key: curl-$$-$RANDOM" \
    --json "{\"to\": \"$to\", \"text\": \"Hello from curl, process $$\"}")
echo "$answer"

id=$(sed -E 's/.*"id": ?"([^"]+)".*/\1/' <<<"$answer")
echo "== the message's record"
curl --silent --show-error --fail-with-body "$url/v1/messages/$id" --header "Authorization: Bearer $token"
echo

echo "== a request that can never be right: every fault at once"
curl --silent --show-error "$url/v1/messages" \
    --header "Authorization: Bearer $token" --json '{"to": "4155550123", "text": ""}'
echo
