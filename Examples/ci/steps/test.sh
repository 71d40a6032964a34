#!/usr/bin/env bash
# Runs the bundle's own checks: releases it to the test environment, runs each flow there and waits. A check that
# fails fails the run, and the step.
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need flowforge jq

sign_in deploy,run "$FLOWFORGE_TEST_ENV"
digest=$(pushed .digest)
name=$(pushed .name)
say "release to $FLOWFORGE_TEST_ENV"
flowforge deploy "$digest" --env "$FLOWFORGE_TEST_ENV"
flows=${FLOWFORGE_FLOWS:-$(flowforge bundle show "$digest" --json | jq -er '.flows[].name')}
for flow in $flows; do
    say "run $flow in $FLOWFORGE_TEST_ENV"
    flowforge run start "$flow" --env "$FLOWFORGE_TEST_ENV" --bundle "$name" --watch
done
