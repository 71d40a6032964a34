#!/usr/bin/env bash
# Whether the bundle is valid, and whether its lock is what its SQL says. Needs no control plane.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need flowforge

say "validate $BUNDLE_DIR"
flowforge bundle validate "$BUNDLE_DIR"
if [ -f "$BUNDLE_DIR/flowforge.lock" ]; then
    say "hold flowforge.lock against the SQL"
    flowforge bundle lock --check "$BUNDLE_DIR"
else
    say "no flowforge.lock: plans will not know columns; 'flowforge bundle lock' writes one"
fi
