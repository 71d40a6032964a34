# shellcheck shell=bash
# Read by every step. Settings, all from the environment:
#
#   FLOWFORGE_URL, FLOWFORGE_CA_FILE   the control plane (no CA file behind a public certificate)
#   FLOWFORGE_CI_TOKEN                 the token of the CI's principal; jobs work with short-lived ones made of it
#   FLOWFORGE_SIGNING_KEY              a file, or the PEM text itself; without it nothing is signed
#   FLOWFORGE_BUILDER_ID               who builds, e.g. the address of the pipeline
#   BUNDLE_DIR                         the folder with flowforge.yaml; . if not said
#   OUT_DIR                            where steps leave things for each other; .flowforge-ci if not said
#   FLOWFORGE_BUNDLE                   its name, where an environment has several and nothing was pushed in this job
#   FLOWFORGE_TEST_ENV                 where the bundle's own checks run; dev if not said
#   FLOWFORGE_PLAN_ENVS                which environments are planned for, apart by blanks; qa if not said
#   FLOWFORGE_PRERELEASE               of a pull request, e.g. pr42.7: is added to the version
set -euo pipefail

BUNDLE_DIR=${BUNDLE_DIR:-.}
OUT_DIR=${OUT_DIR:-.flowforge-ci}
FLOWFORGE_TEST_ENV=${FLOWFORGE_TEST_ENV:-dev}
FLOWFORGE_PLAN_ENVS=${FLOWFORGE_PLAN_ENVS:-qa}
export NO_COLOR=1
mkdir -p "$OUT_DIR"

say() { printf '%s\n' "== $*" >&2; }
die() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '  do: %s\n' "$2" >&2
    exit 1
}
need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || die "'$program' is not in PATH" "install it on the runner"
    done
}

# Signs the step in for some minutes, for these actions and environments: sign_in ACTIONS ENVIRONMENT…
# Without FLOWFORGE_CI_TOKEN it works with whatever FLOWFORGE_TOKEN there is.
sign_in() {
    local actions=$1 token environment options=()
    shift
    [ -n "${FLOWFORGE_CI_TOKEN:-}" ] || return 0
    for environment in "$@"; do options+=(--env "$environment"); done
    [ -z "$actions" ] || options+=(--allow "$actions")
    token=$(FLOWFORGE_TOKEN=$FLOWFORGE_CI_TOKEN flowforge token create --raw --ttl "${FLOWFORGE_TOKEN_TTL:-15m}" \
        --name "${FLOWFORGE_JOB:-ci}" "${options[@]}")
    export FLOWFORGE_TOKEN=$token
    trap 'flowforge token revoke >/dev/null 2>&1 || true' EXIT
}

# The bundle as it was pushed: its digest, or name@version.
pushed() {
    [ -f "$OUT_DIR/bundle.json" ] || die "nothing was pushed yet" "run steps/push.sh before"
    jq -er "$1" "$OUT_DIR/bundle.json"
}

# Posts comment.md, or brings the comment of the time before up to date: the first of AUTHOR's that begins with the marker.
#   put_comment CALL LIST_URL ITEMS_URL METHOD AUTHOR_FIELD AUTHOR
# CALL is curl with the platform's headers; LIST_URL has a query, and pages of 100.
put_comment() {
    local call=$1 list=$2 items=$3 method=$4 field=$5 author=$6 page found id=
    for page in $(seq 20); do
        found=$("$call" "$list&page=$page")
        id=$(jq -r --arg author "$author" "first(.[] | select(($field | tostring) == \$author
            and (.body | startswith(\"<!-- flowforge-plan -->\"))) | .id) // empty" <<<"$found")
        if [ -n "$id" ] || [ "$(jq length <<<"$found")" -lt 100 ]; then break; fi
    done
    jq -Rs '{body: .}' "$OUT_DIR/comment.md" >"$OUT_DIR/comment.json"
    if [ -n "$id" ]; then
        "$call" --request "$method" --data-binary "@$OUT_DIR/comment.json" "$items/$id" >/dev/null
        say "comment $id is up to date"
    else
        "$call" --request POST --data-binary "@$OUT_DIR/comment.json" "${list%%\?*}" >/dev/null
        say "commented"
    fi
}
