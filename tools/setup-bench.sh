#!/bin/sh
# The peers that `make bench` measures against, from Debian. Quiet when they are there.
set -eu
missing=
for pair in age:age gpg:gnupg openssl:openssl python3:python3; do
    command -v "${pair%%:*}" > /dev/null || missing="$missing ${pair##*:}"
done
ldconfig -p | grep -q libsodium.so.23 || missing="$missing libsodium23"
[ -z "$missing" ] && exit 0
echo "installing$missing"
if [ "$(id -u)" -eq 0 ]; then
    # shellcheck disable=SC2086 # a list of names
    apt-get install -y --no-install-recommends $missing
else
    # shellcheck disable=SC2086
    sudo apt-get install -y --no-install-recommends $missing
fi
