#!/usr/bin/env bash
# Installs what Waxwing needs on Debian 12 and is not there yet. Nothing to do: nothing is asked.
#   tools/setup.sh run    what building and opening the window needs
#   tools/setup.sh test   what the tests need besides
set -euo pipefail
cd "$(dirname "$0")/.."

run_packages="build-essential pkg-config libssl-dev libwebkit2gtk-4.1-dev librsvg2-dev libayatana-appindicator3-dev libxdo-dev"
test_packages="webkit2gtk-driver xvfb xauth dbus-x11 openbox xdotool imagemagick dunst python3-gi gir1.2-gtk-3.0 chromium chromium-driver curl python3-venv age fonts-dejavu-core fonts-inter"

install_packages() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "Installing: ${missing[*]}"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "These packages are missing; install them as root: ${missing[*]}" >&2; exit 1; }
        root=(sudo)
    fi
    "${root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_tool() { # name, version
    command -v "$1" >/dev/null || cargo install --locked --quiet --version "$2" "$1"
}

# npm writes this file when it has installed everything in the lock.
face_is_installed() {
    [ ui/node_modules/.package-lock.json -nt ui/package-lock.json ]
}

case "${1:-}" in
run)
    install_packages $run_packages
    face_is_installed || npm --prefix ui install --no-save --no-audit --no-fund --loglevel=error
    ;;
test)
    install_packages $test_packages
    install_tool cargo-nextest 0.9.143
    install_tool cargo-deny 0.20.2
    install_tool tauri-driver 2.1.0
    ;;
*)
    echo "usage: tools/setup.sh run|test" >&2
    exit 2
    ;;
esac
