#!/usr/bin/env bash
# Fails where a plan is denied by a gate (4), and where something has drifted (3) if FLOWFORGE_FAIL_ON_DRIFT is 1. After the
# comment, so that the pull request says why.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

status=0
for file in "$OUT_DIR"/plan-*.status; do
    [ -f "$file" ] || die "there is no plan" "run steps/plan.sh before"
    environment=$(basename "$file" .status)
    case $(cat "$file") in
    denied)
        say "${environment#plan-}: a gate denies it"
        status=4
        ;;
    drift)
        say "${environment#plan-}: something has drifted; 'flowforge drift show' tells"
        if [ "${FLOWFORGE_FAIL_ON_DRIFT:-0}" = 1 ] && [ "$status" = 0 ]; then status=3; fi
        ;;
    esac
done
exit "$status"
