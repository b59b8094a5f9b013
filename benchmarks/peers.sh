#!/bin/sh
# Makes .venv-peers: explainerdashboard and DiCE in an environment of their own, because they
# need another NumPy than the app. Takes a few minutes. Another Python: PYTHON=… sh benchmarks/peers.sh
set -eu
cd "$(dirname "$0")/.."
"${PYTHON:-python3}" -m venv .venv-peers
.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
    explainerdashboard==0.5.8 dice-ml==0.12 lightgbm==4.7.0 'numpy<2.4'
echo "Made .venv-peers. Now: .venv/bin/python -m benchmarks counterfactuals"
