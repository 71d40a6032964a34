#!/usr/bin/env bash
# Posts comment.md on the pull request, or brings the comment of the time before up to date.
#   GITHUB_TOKEN (permission pull-requests: write), GITHUB_REPOSITORY, GITHUB_API_URL, PULL_REQUEST (its number)
#   COMMENT_AUTHOR   whose comment it is; github-actions[bot] if not said
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need curl jq

api="${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY"
author=${COMMENT_AUTHOR:-github-actions[bot]}
[[ $PULL_REQUEST =~ ^[0-9]+$ ]] || die "PULL_REQUEST '$PULL_REQUEST' is no number"
# The token goes by standard input: arguments can be read by others on the machine.
github() {
    curl --fail --silent --show-error --retry 3 --max-time 60 --config - --header 'Accept: application/vnd.github+json' \
        --header 'X-GitHub-Api-Version: 2022-11-28' "$@" <<<"header = \"Authorization: Bearer $GITHUB_TOKEN\""
}

put_comment github "$api/issues/$PULL_REQUEST/comments?per_page=100" "$api/issues/comments" PATCH .user.login "$author"
