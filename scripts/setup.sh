# Sourced by the scripts beside it: makes .venv when it is missing or out of date, and leaves $PY pointing at its Python.
# PYTHON=python3.12 picks another interpreter; VENV=/some/where another place.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=${VENV:-.venv}
PY=$VENV/bin/python
stamp=$VENV/.videogn-installed
wanted=$(cat pyproject.toml scripts/constraints.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "setting up $VENV (a few minutes and about 6 GB, once) ..."
    [ -x "$PY" ] || "${PYTHON:-python3}" -m venv "$VENV"
    "$PY" -m pip install --quiet --disable-pip-version-check --constraint scripts/constraints.txt --editable '.[dev]'
    echo "$wanted" > "$stamp"
fi
