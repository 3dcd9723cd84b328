#!/bin/sh
# Draws the icons that the packages and the tray need from the three SVG sources beside this script.
# Needs rsvg-convert (librsvg2-bin), icotool (icoutils) and png2icns (icnsutils); without the last, icon.icns is left as it is.
set -eu
cd "$(dirname "$0")"
draw() { rsvg-convert --width "$2" --height "$2" "$1" --output "$3"; }

draw waxwing-16.svg 16 16x16.png
draw waxwing-16.svg 24 24x24.png
draw waxwing.svg 32 32x32.png
draw waxwing.svg 64 64x64.png
draw waxwing.svg 128 128x128.png
draw waxwing.svg 256 128x128@2x.png
draw waxwing.svg 512 icon.png
draw tray-symbolic.svg 32 tray.png
rsvg-convert --width 32 --height 32 --stylesheet tray-light.css tray-symbolic.svg --output tray-light.png

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
draw waxwing.svg 48 "$work/48.png"
icotool --create --output icon.ico 16x16.png 24x24.png 32x32.png "$work/48.png" 64x64.png --raw=128x128@2x.png
if command -v png2icns >/dev/null; then
  png2icns icon.icns 16x16.png 32x32.png "$work/48.png" 128x128.png 128x128@2x.png icon.png >/dev/null
fi
