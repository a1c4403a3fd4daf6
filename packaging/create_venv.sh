#!/usr/bin/env bash
# Make the virtual environment FOLDER with PYTHON, or with the first Python found that is new enough.
set -euo pipefail
folder=$1
shift
candidates=("$@")
[ "${#candidates[@]}" -gt 0 ] || candidates=(python3 python3.14 python3.13 python3.12 python3.11)
if [ -x "$folder/bin/python" ] && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
  exit 0
fi
for python in "${candidates[@]}"; do
  if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec "$python" -m venv --clear "$folder"
  fi
done
echo "No Python of 3.11 or newer with its venv module was found. On Debian and Ubuntu type:"
echo "  sudo apt-get install python3 python3-venv"
exit 1
