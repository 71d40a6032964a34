#!/usr/bin/env bash
# Puts the program `flowforge` in place, unless the runner's image has it: downloads it from FLOWFORGE_DOWNLOAD_URL and
# holds it against FLOWFORGE_DOWNLOAD_SHA256. The same for DuckDB, with which lint.sh checks a lock: FLOWFORGE_DUCKDB_URL,
# the gzipped program as DuckDB's releases have it (duckdb_cli-linux-amd64.gz), and FLOWFORGE_DUCKDB_SHA256, of that file.
# Prints the folder that belongs in PATH.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder=$(cd "$OUT_DIR" && pwd)/bin

# download URL SHA256 FILE
download() {
    need curl sha256sum
    mkdir -p "$folder"
    curl --fail --silent --show-error --location --proto '=https' --output "$folder/$3" "$1"
    printf '%s  %s\n' "$2" "$folder/$3" | sha256sum --check --quiet ||
        die "what was downloaded from $1 is not what was expected" "compare the SHA-256 with the release's"
}

if command -v flowforge >/dev/null; then
    place=$(dirname "$(command -v flowforge)")
else
    [ -n "${FLOWFORGE_DOWNLOAD_URL:-}" ] || die "'flowforge' is not in PATH and FLOWFORGE_DOWNLOAD_URL is not set" \
        "use a runner image that has it, or say where it is"
    [ -n "${FLOWFORGE_DOWNLOAD_SHA256:-}" ] || die "FLOWFORGE_DOWNLOAD_SHA256 is not set" "a program that nobody checked is not run"
    download "$FLOWFORGE_DOWNLOAD_URL" "$FLOWFORGE_DOWNLOAD_SHA256" flowforge
    chmod 755 "$folder/flowforge"
    place=$folder
fi
if [ -n "${FLOWFORGE_DUCKDB_URL:-}" ] && ! command -v "${FLOWFORGE_DUCKDB:-duckdb}" >/dev/null; then
    [ -n "${FLOWFORGE_DUCKDB_SHA256:-}" ] || die "FLOWFORGE_DUCKDB_SHA256 is not set" "a program that nobody checked is not run"
    download "$FLOWFORGE_DUCKDB_URL" "$FLOWFORGE_DUCKDB_SHA256" duckdb.gz
    gzip --decompress --force "$folder/duckdb.gz"
    chmod 755 "$folder/duckdb"
    place=$folder
fi
printf '%s\n' "$place"
