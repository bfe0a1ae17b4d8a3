#!/usr/bin/env bash
# Makes the peers' virtual environment: the libraries that benchmarks compare this project with, apart from the project's own.
#
#     benchmarks/setup_peers.sh [DIRECTORY]        # default: benchmarks/.peers
#
# About 6 minutes and 4.5 GB where pip finds a CPU build of PyTorch; its CUDA build brings some GB more. PYTHON=... chooses
# the interpreter (default: python3.11). Run it again to mend or update what is there.
set -euo pipefail

packages=(
  keras-hub==0.32.0
  tf-models-official==2.20.0
  "tensorflow==2.20.*"
  "tensorflow-text==2.20.*"
  torch==2.13.0
  transformers==5.23.0
  sentence-transformers==6.2.0
  tokenizers==0.23.3
  onnxruntime==1.31.1
  onnx==1.23.2        # torch.onnx writes by these two
  onnxscript==0.7.2
  fastapi==0.165.0    # the servers of the suite serving
  uvicorn==0.54.0
)
directory=${1:-$(dirname "$0")/.peers}
python=${PYTHON:-python3.11}

die() {
  echo "setup_peers.sh: $*" >&2
  exit 1
}

[[ $directory != -* ]] || die "no flags are known here, got $directory; name a directory, such as benchmarks/.peers"
command -v "$python" >/dev/null || die "no $python here; name a Python 3.10 to 3.12 by PYTHON=..."
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' ||
  die "$("$python" --version) at $python; TensorFlow Text 2.20 wants Python 3.10 to 3.12: name one by PYTHON=..."
[ ! -e "$directory" ] || [ -f "$directory/pyvenv.cfg" ] || die "$directory is there and is no virtual environment; remove it or name another"

echo "Making $directory with $("$python" --version):"
printf '    %s\n' "${packages[@]}"
[ -x "$directory/bin/pip" ] || "$python" -m venv "$directory" || die "could not make a virtual environment in $directory"
"$directory/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" ||
  die "pip could not install the packages into $directory (its own words are above); mend the cause and run this again"

echo "Done. Python for --peers_python: $directory/bin/python. Versions:"
"$directory/bin/python" - "${packages[@]}" <<'PYTHON'
import importlib.metadata
import re
import sys

for package in sys.argv[1:]:
    name = re.match(r"[\w-]+", package)[0]
    print(f"    {name} {importlib.metadata.version(name)}")
PYTHON
