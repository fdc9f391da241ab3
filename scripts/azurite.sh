#!/bin/sh
# Puts Azurite into .venv, with which tests start an Azure Blob Storage of their own: 20 s, 360 MB. Where it can't be
# had, those tests are skipped; with CI=true they fail.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

azurite=3.37.0
nodes=
command -v node >/dev/null || nodes="$nodes nodejs"
command -v npm >/dev/null || nodes="$nodes npm"
# shellcheck disable=SC2086 # one word for each package
[ -z "$nodes" ] || install_packages $nodes || true
echo "setup: installing azurite"
mkdir -p .venv/azurite
if npm install --prefix .venv/azurite --silent --omit=dev --no-audit --no-fund --no-package-lock --ignore-scripts \
    "azurite@$azurite"; then
    touch .venv/azurite/.installed
else
    echo "setup: without azurite some tests are skipped"
fi
