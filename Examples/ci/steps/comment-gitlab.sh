#!/usr/bin/env bash
# Posts comment.md on the merge request, or brings the note of the time before up to date.
#   GITLAB_TOKEN (of a project access token with the scope api: job tokens may not write notes), CI_API_V4_URL,
#   CI_PROJECT_ID, CI_MERGE_REQUEST_IID
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl jq

notes="$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/$CI_MERGE_REQUEST_IID/notes"
# The token goes by standard input: arguments can be read by others on the machine.
gitlab() {
    curl --fail --silent --show-error --retry 3 --max-time 60 --config - --header 'Content-Type: application/json' "$@" \
        <<<"header = \"PRIVATE-TOKEN: $GITLAB_TOKEN\""
}

author=$(gitlab "$CI_API_V4_URL/user" | jq -er .id)
id=
for page in $(seq 20); do
    found=$(gitlab "$notes?per_page=100&page=$page&order_by=created_at&sort=asc")
    id=$(jq -r --argjson author "$author" \
        'first(.[] | select(.author.id == $author and (.body | startswith("<!-- flowforge-plan -->"))) | .id) // empty' <<<"$found")
    if [ -n "$id" ] || [ "$(jq length <<<"$found")" -lt 100 ]; then break; fi
done
jq -Rs '{body: .}' "$OUT_DIR/comment.md" >"$OUT_DIR/comment.json"
if [ -n "$id" ]; then
    gitlab --request PUT --data-binary "@$OUT_DIR/comment.json" "$notes/$id" >/dev/null
    say "note $id is up to date"
else
    gitlab --request POST --data-binary "@$OUT_DIR/comment.json" "$notes" >/dev/null
    say "noted"
fi
