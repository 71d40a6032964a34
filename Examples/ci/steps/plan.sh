#!/usr/bin/env bash
# Plans what the pushed bundle would change in each of FLOWFORGE_PLAN_ENVS. Leaves comment.md, for the pull request, and
# plan-ENV.status: unchanged, changes, drift or denied. Succeeds whichever it is; see verdict.sh.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need flowforge jq

read -r -a environments <<<"$FLOWFORGE_PLAN_ENVS"
from=${FLOWFORGE_PLAN_FROM:-}
sign_in plan "${environments[@]}" ${from:+"$from"}
digest=$(pushed .digest)
# The marker is how the comment is found again.
printf '%s\n' '<!-- flowforge-plan -->' >"$OUT_DIR/comment.md"
for environment in "${environments[@]}"; do
    status=0
    flowforge plan --env "$environment" --bundle "$digest" ${from:+--from "$from"} --markdown >"$OUT_DIR/plan-$environment.md" ||
        status=$?
    case $status in
    0) word=unchanged ;;
    2) word=changes ;;
    3) word=drift ;;
    4) word=denied ;;
    *) die "the plan for '$environment' could not be made (exit $status)" "see above" ;;
    esac
    printf '%s\n' "$word" >"$OUT_DIR/plan-$environment.status"
    say "$environment: $word"
    { cat "$OUT_DIR/plan-$environment.md" && printf '\n\n'; } >>"$OUT_DIR/comment.md"
done
# Platforms refuse long comments; GitHub takes 65,536 characters.
if [ "$(wc -c <"$OUT_DIR/comment.md")" -gt 60000 ]; then
    head -c 60000 "$OUT_DIR/comment.md" | iconv -c -f utf-8 -t utf-8 >"$OUT_DIR/short.md"
    printf '\n\n%s\n\n%s\n' '…' 'The rest is in the output of the job; flowforge plan show has all of it.' >>"$OUT_DIR/short.md"
    cat "$OUT_DIR"/plan-*.md
    mv "$OUT_DIR/short.md" "$OUT_DIR/comment.md"
fi
