#!/usr/bin/env bash
# Install what Qt, OpenGL and the virtual display need on Debian and Ubuntu; say the line where apt may not run.
set -euo pipefail
if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "This is not Debian or Ubuntu: Python's venv module, OpenGL, EGL, the xcb libraries and Xvfb are taken as installed."
  exit 0
fi
wanted=(python3-venv xvfb xauth libegl1 libgl1 libopengl0 libgl1-mesa-dri libxkbcommon-x11-0 libdbus-1-3 libfontconfig1
  libgssapi-krb5-2 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
  libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1 fonts-dejavu-core)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
# The package of this library has two names, libglib2.0-0 and libglib2.0-0t64; apt knows both by the first.
/sbin/ldconfig -p | grep 'libgthread-2.0.so.0' >/dev/null || missing+=(libglib2.0-0)
[ "${#missing[@]}" -eq 0 ] && exit 0
line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
if [ "$(id -u)" -eq 0 ]; then
  bash -c "$line"
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  sudo -n DEBIAN_FRONTEND=noninteractive bash -c "$line"
else
  echo "Some system packages are missing. Type this line, then run make again:"
  echo "  sudo sh -c '$line'"
  exit 1
fi
