#!/bin/sh
# Independent programs open what we seal, and we open what they seal. Ends with the line
# "interop: N passed, 0 failed"; a missing package is a failure, never a skip.
set -eu
cd "$(dirname "$0")/../.."
folder=target/interop
venv=$folder/venv
stamp=$venv/requirements.sha256
wanted=$(sha256sum < tools/interop/requirements.txt)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    rm -rf "$venv"
    mkdir -p "$folder"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r tools/interop/requirements.txt
    printf '%s\n' "$wanted" > "$stamp"
fi
cargo build --quiet -p waxwing-tests --example interop
cargo build --quiet -p waxwing-relay --bin waxwing-relay
ours=${CARGO_TARGET_DIR:-target}/debug/examples/interop
exchange=$(mktemp -d "$folder/exchange.XXXXXX")
trap 'rm -rf "$exchange"' EXIT
python3 tools/interop/key_service.py "${CARGO_TARGET_DIR:-target}/debug/waxwing-relay" "$exchange"
"$venv/bin/python" tools/interop/exchange.py "$ours" "$exchange"
