#!/usr/bin/env bash
# Checks every dependency: licence, source, bans, and known advisories.
# The advisory list is fetched anew where the network allows; else a copy kept on this machine is
# used (WAXWING_ADVISORIES, or ../shared/advisories beside the clone). The check says which it used.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo deny --locked check --hide-inclusion-graph licenses bans sources

if timeout 60 cargo deny --locked check --hide-inclusion-graph advisories 2>target/advisories.log; then
    echo "advisories: checked against the list of today"
    exit 0
fi
if ! grep -q 'failed to fetch advisory database' target/advisories.log; then
    cat target/advisories.log >&2
    exit 1
fi

copy=$(ls "${WAXWING_ADVISORIES:-../shared/advisories}"/advisory-db-*.tar.xz 2>/dev/null | tail -n 1 || true)
if [ -z "$copy" ]; then
    echo "advisories: NOT CHECKED: no network, and no copy in WAXWING_ADVISORIES" >&2
    exit 1
fi
home=$PWD/target/advisories
db=$home/advisory-db-3157b0e258782691
rm -rf "$home" && mkdir -p "$db"
tar -xJf "$copy" -C "$db" --strip-components=0
git -C "$db" init -q
git -C "$db" add -A
git -C "$db" -c user.name=waxwing -c user.email=waxwing@localhost commit -qm advisories
git -C "$db" rev-parse HEAD >"$db/.git/FETCH_HEAD"
sed "s|^\[advisories\]|[advisories]\ndb-path = \"$home\"|" deny.toml >target/deny-offline.toml
cargo deny --locked --offline --config target/deny-offline.toml check --hide-inclusion-graph advisories
echo "advisories: no network; checked against the copy $(basename "$copy")"
