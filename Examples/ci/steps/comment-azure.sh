#!/usr/bin/env bash
# Posts comment.md on the pull request, or brings the thread of the time before up to date.
#   SYSTEM_ACCESSTOKEN (map it: env: {SYSTEM_ACCESSTOKEN: $(System.AccessToken)}; the build service needs "Contribute to pull
#   requests"), SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECT, BUILD_REPOSITORY_ID, SYSTEM_PULLREQUEST_PULLREQUESTID
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl jq

collection=${SYSTEM_COLLECTIONURI%/}
project=$(jq -rn --arg text "$SYSTEM_TEAMPROJECT" '$text | @uri')
threads="$collection/$project/_apis/git/repositories/$BUILD_REPOSITORY_ID/pullRequests/$SYSTEM_PULLREQUEST_PULLREQUESTID/threads"
version='api-version=7.1'
# The token goes by standard input: arguments can be read by others on the machine.
azure() {
    curl --fail --silent --show-error --retry 3 --max-time 60 --config - --header 'Content-Type: application/json' "$@" \
        <<<"header = \"Authorization: Bearer $SYSTEM_ACCESSTOKEN\""
}

# Who the token belongs to. There is no version of it that is not a preview.
author=$(azure "$collection/_apis/connectionData?$version-preview" | jq -er .authenticatedUser.id)
found=$(azure "$threads?$version" | jq -r --arg author "$author" '
    first(.value[] | select(.isDeleted != true) | . as $thread | .comments[0]
        | select(.author.id == $author and ((.content // "") | startswith("<!-- flowforge-plan -->")))
        | "\($thread.id) \(.id)") // empty')
if [ -n "$found" ]; then
    read -r thread comment <<<"$found"
    jq -Rs '{content: .}' "$OUT_DIR/comment.md" >"$OUT_DIR/comment.json"
    azure --request PATCH --data-binary "@$OUT_DIR/comment.json" "$threads/$thread/comments/$comment?$version" >/dev/null
    say "thread $thread is up to date"
else
    # closed: it asks nobody to resolve it.
    jq -Rs '{comments: [{parentCommentId: 0, content: ., commentType: 1}], status: 4}' "$OUT_DIR/comment.md" >"$OUT_DIR/comment.json"
    azure --request POST --data-binary "@$OUT_DIR/comment.json" "$threads?$version" >/dev/null
    say "commented"
fi
