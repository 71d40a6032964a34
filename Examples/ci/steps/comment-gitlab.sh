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
put_comment gitlab "$notes?per_page=100&order_by=created_at&sort=asc" "$notes" PUT .author.id "$author"
