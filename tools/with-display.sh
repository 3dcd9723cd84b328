#!/usr/bin/env bash
# Runs a command in a session of its own: a virtual screen, a window manager, a message bus.
set -euo pipefail
exec dbus-run-session -- xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24" \
    bash -c 'openbox >/dev/null 2>&1 & exec "$@"' _ "$@"
