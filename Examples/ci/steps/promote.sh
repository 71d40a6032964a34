#!/usr/bin/env bash
# promote.sh FROM TO: promotes what is released to FROM, and waits for the gates and for the end, at most FLOWFORGE_WAIT_MINUTES
# (50). 0: it is there, or was there already; 1: undone or refused; 7: cancelled; 75: it still waits, and goes on by itself or when the
# job is run again.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need flowforge jq timeout
[ $# = 2 ] || die "usage: promote.sh FROM TO"
from=$1 to=$2
end=$((SECONDS + 60 * ${FLOWFORGE_WAIT_MINUTES:-50}))

sign_in promote "$from" "$to"
options=()
bundle=${FLOWFORGE_BUNDLE:-}
[ -n "$bundle" ] || [ ! -f "$OUT_DIR/bundle.json" ] || bundle=$(pushed .name)
[ -z "$bundle" ] || options+=(--bundle "$bundle")
say "promote from $from to $to"
status=0
flowforge promote --from "$from" --to "$to" "${options[@]}" --reason "${FLOWFORGE_REASON:-by ${FLOWFORGE_JOB:-CI}}" --no-wait --json \
    >"$OUT_DIR/promotion.json" 2>"$OUT_DIR/promotion.err" || status=$?
cat "$OUT_DIR/promotion.err" >&2
id=
if [ "$status" = 0 ]; then
    id=$(jq -er .id "$OUT_DIR/promotion.json")
elif [ "$status" = 5 ]; then
    refusal=$(jq -cR 'fromjson? | .error.metadata // {}' "$OUT_DIR/promotion.err" | tail -n 1)
    if [ "$(jq -r '.reason // ""' <<<"$refusal")" = unchanged ]; then
        say "$to has it already"
        exit 0
    fi
    # It is under way: by this job's former run, perhaps.
    id=$(jq -r '.promotion // ""' <<<"$refusal")
    if [ -n "$id" ]; then
        digest=
        [ ! -f "$OUT_DIR/bundle.json" ] || digest=$(pushed .digest)
        flowforge promotion show "$id" --json >"$OUT_DIR/promotion.json"
        jq -e --arg from "$from" --arg digest "$digest" \
            '.source == $from and ($digest == "" or .bundle.digest == $digest)' "$OUT_DIR/promotion.json" >/dev/null || id=
    fi
fi
[ -n "$id" ] || exit "$status"
say "plan $(jq -er .plan "$OUT_DIR/promotion.json") waits for its gates; 'flowforge plan approve' says yes to it"

while :; do
    left=$((end - SECONDS))
    [ "$left" -gt 0 ] || break
    status=0
    # Shorter than the token's life, which is then changed for another.
    timeout "$((left < 600 ? left : 600))" flowforge promotion watch "$id" || status=$?
    [ "$status" = 124 ] || exit "$status"
    flowforge token revoke >/dev/null 2>&1 || true
    sign_in promote "$from" "$to"
done
say "$id still waits; run the job again to go on waiting"
exit 75
