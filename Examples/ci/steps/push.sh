#!/usr/bin/env bash
# Builds the bundle, signs it if there is a key, and pushes it. Versions are immutable, so a pull request pushes
# its own: VERSION-FLOWFORGE_PRERELEASE, of a copy of the folder. Leaves bundle.json.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need flowforge jq

source_dir=$BUNDLE_DIR
if [ -n "${FLOWFORGE_PRERELEASE:-}" ]; then
    [[ $FLOWFORGE_PRERELEASE =~ ^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$ ]] ||
        die "FLOWFORGE_PRERELEASE '$FLOWFORGE_PRERELEASE' is no pre-release of a semantic version" "e.g. pr42.7"
    source_dir=$OUT_DIR/source
    rm -rf "$source_dir"
    mkdir -p "$source_dir"
    # Without what steps leave and what is no part of a bundle.
    tar -C "$BUNDLE_DIR" --exclude=./.git --exclude="./${OUT_DIR#./}" -cf - . | tar -C "$source_dir" -xf -
    version=$(flowforge bundle validate "$source_dir" --json | jq -er '.version')
    # The first version in the manifest that reads so is the bundle's; what came of it is checked below.
    sed -i -E "0,/(version:[[:space:]]*[\"']?)${version//./\\.}([\"']?[[:space:]]*([,}#].*)?\$)/s//\\1$version-$FLOWFORGE_PRERELEASE\\2/" \
        "$source_dir/flowforge.yaml"
    now=$(flowforge bundle validate "$source_dir" --json | jq -er '.version')
    [ "$now" = "$version-$FLOWFORGE_PRERELEASE" ] ||
        die "the bundle's version in flowforge.yaml could not be made $version-$FLOWFORGE_PRERELEASE" "write it on one line: version: $version"
fi

sign_in push "$FLOWFORGE_TEST_ENV"
options=()
[ -n "${FLOWFORGE_SIGNING_KEY:-}" ] || say "FLOWFORGE_SIGNING_KEY is not set: the bundle is not signed"
[ -z "${FLOWFORGE_JOB:-}" ] || options+=(--invocation-id "$FLOWFORGE_JOB")
say "build, sign and push $source_dir"
flowforge bundle push "$source_dir" --json "${options[@]}" >"$OUT_DIR/push.json"
jq -e '.bundle' "$OUT_DIR/push.json" >"$OUT_DIR/bundle.json"
say "pushed $(pushed '"\(.name)@\(.version) \(.digest)"')"
