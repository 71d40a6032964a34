#!/usr/bin/env bash
# Puts the program `flowforge` in place, unless the runner's image has it: downloads it from FLOWFORGE_DOWNLOAD_URL and
# holds it against FLOWFORGE_DOWNLOAD_SHA256. Prints the folder that belongs in PATH.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if command -v flowforge >/dev/null; then
    dirname "$(command -v flowforge)"
    exit 0
fi
[ -n "${FLOWFORGE_DOWNLOAD_URL:-}" ] || die "'flowforge' is not in PATH and FLOWFORGE_DOWNLOAD_URL is not set" \
    "use a runner image that has it, or say where it is"
[ -n "${FLOWFORGE_DOWNLOAD_SHA256:-}" ] || die "FLOWFORGE_DOWNLOAD_SHA256 is not set" "a program that nobody checked is not run"
need curl sha256sum
folder=$(cd "$OUT_DIR" && pwd)/bin
mkdir -p "$folder"
curl --fail --silent --show-error --location --proto '=https' --output "$folder/flowforge" "$FLOWFORGE_DOWNLOAD_URL"
printf '%s  %s\n' "$FLOWFORGE_DOWNLOAD_SHA256" "$folder/flowforge" | sha256sum --check --quiet ||
    die "what was downloaded is not what was expected" "compare FLOWFORGE_DOWNLOAD_SHA256 with the release's"
chmod 755 "$folder/flowforge"
printf '%s\n' "$folder"
