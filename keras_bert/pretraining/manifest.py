"""manifest.json: what examples were made of and how; and what of a directory can be gone on with."""

import dataclasses
import hashlib
import os
import shutil

from keras_bert.files import LOCK, read_json, write_json
from keras_bert.pretraining.shards import ENDING, FINISHED, finished_path, written_whole
from keras_bert.text.serialization import tokenizer_to_dict

MANIFEST = "manifest.json"
_BEGUN = "begun.json"  # in FINISHED: what is being made
_FORMAT = 1


def describe(corpus, tokenizer, settings):
    """Describe what examples are to be made of. Args: Corpus, Tokenizer, ExampleSettings. Returns: dict for JSON."""
    pieces = "\n".join(tokenizer.pieces).encode("utf-8", "surrogatepass")
    return {
        "format": _FORMAT,
        "settings": dataclasses.asdict(settings),
        "tokenizer": tokenizer_to_dict(tokenizer)
        | {"vocabulary_size": tokenizer.vocabulary_size, "vocabulary_sha256": hashlib.sha256(pieces).hexdigest()},
        "corpus": corpus.settings(),
        "sources": corpus.fingerprint(),
    }


def begin(directory, description):
    """Make a directory ready, or find what is there of the same examples.

    Args: directory: str. description: dict that `describe` gives.
    Returns: dict of shard number -> its description, of the shards that are finished and whole.
    Raises: ValueError naming what differs where the directory's examples are others, or it holds other files. OSError.
    """
    manifest, begun = os.path.join(directory, MANIFEST), os.path.join(directory, FINISHED, _BEGUN)
    there = next((path for path in (manifest, begun) if os.path.exists(path)), None)
    if there is None:
        foreign = sorted(set(os.listdir(directory)) - {FINISHED, LOCK}) if os.path.isdir(directory) else []
        if foreign:
            raise ValueError(f"{directory} holds {', '.join(foreign[:5])}, and no {MANIFEST}; give an empty or a new directory")
        os.makedirs(os.path.join(directory, FINISHED), exist_ok=True)
        return _begin_anew(begun, description)
    old = read_json(there)
    shards = old["shards"] if there == manifest else _finished_shards(directory)
    if there == begun and not shards:
        return _begin_anew(begun, description)  # nothing is lost: any setting may be corrected
    differing = list(differences(description, {name: old.get(name) for name in description}))
    if differing:
        shown = "; ".join(differing[:5]) + ("; ..." if len(differing) > 5 else "")
        raise ValueError(f"{directory} holds examples made otherwise: {shown}; give another directory, or delete this one")
    finished = {shard["shard"]: shard for shard in shards if _is_whole(directory, shard)}
    if there == manifest and len(finished) < len(shards):
        # Files are missing. What is left becomes a begun directory again, so that a kill leaves what can be gone on with.
        os.makedirs(os.path.join(directory, FINISHED), exist_ok=True)
        for shard in finished.values():
            write_json(finished_path(directory, shard["shard"]), shard)
        write_json(begun, description)
        os.remove(manifest)
    return finished


def is_complete(directory):
    """Returns: whether a directory's examples are all there."""
    return os.path.exists(os.path.join(directory, MANIFEST))


def read_manifest(directory):
    """Read what a directory of examples holds.

    Returns: dict; see finish.
    Raises: FileNotFoundError where it holds none, or they are not complete.
    """
    path = os.path.join(directory, MANIFEST)
    if os.path.exists(path):
        return read_json(path)
    if os.path.exists(os.path.join(directory, FINISHED, _BEGUN)):
        raise FileNotFoundError(f"{directory}: its examples are not complete; run what makes them again, and it goes on")
    raise FileNotFoundError(f"{directory}: no {MANIFEST}; prepare_pretraining_data makes such a directory")


def finish(directory, description, shards, counts):
    """Write the manifest, which says that all is there, and clear away what killed processes left.

    Args: directory: str. description: dict that `describe` gives. shards: list of descriptions. counts: CorpusCounts.
    Returns: dict: the description, "read": what was met in the corpus, "totals" and "shards".
    """
    files = [file for shard in shards for file in shard["files"]]
    totals = {"shards": len(shards), "files": len(files)}
    totals |= {name: sum(shard[name] for shard in shards) for name in ("documents", "sentences", "examples", "label_1")}
    totals |= {name: sum(file[name] for file in files) for name in ("rows", "sequences", "tokens", "bytes")}
    totals |= {name: max((file[name] for file in files), default=0) for name in ("longest_row", "most_sequences")}
    read = dataclasses.asdict(counts)
    manifest = description | {"read": read, "totals": totals, "shards": shards}
    with written_whole(os.path.join(directory, MANIFEST)) as aside:
        write_json(aside, manifest)
    shutil.rmtree(os.path.join(directory, FINISHED), ignore_errors=True)
    named = {file["name"] for file in files}
    for name in os.listdir(directory):
        if name.startswith(".building-") or (name.endswith(ENDING) and name not in named):
            os.remove(os.path.join(directory, name))
    return manifest


def _begin_anew(begun, description):
    with written_whole(begun) as aside:
        write_json(aside, description)
    return {}


def _finished_shards(directory):
    folder = os.path.join(directory, FINISHED)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and name[:1].isdigit())
    return [read_json(os.path.join(folder, name)) for name in names]


def _is_whole(directory, shard):
    paths = [(os.path.join(directory, file["name"]), file["bytes"]) for file in shard["files"]]
    return all(os.path.exists(path) and os.path.getsize(path) == size for path, size in paths)


def differences(asked, there, name=""):
    """Yields: str, what differs between two descriptions."""
    if isinstance(asked, dict) and isinstance(there, dict):
        for key in [*asked, *(key for key in there if key not in asked)]:
            yield from differences(asked.get(key), there.get(key), f"{name}.{key}" if name else key)
    elif name == "sources" and isinstance(there, list):
        yield from _changed_sources(asked, there)
    elif asked != there:
        yield f"{name} is {there!r} there and {asked!r} now"


def _changed_sources(asked, there):
    # By their contents: a corpus may be moved.
    def contents(sources):
        return [{key: value for key, value in source.items() if key != "source"} for source in sources]

    now, before = contents(asked), contents(there)
    if now == before:
        return
    for source, content in zip(asked, now, strict=True):
        if content not in before:
            yield f"{source['source']} has changed, or is new"
    for source, content in zip(there, before, strict=True):
        if content not in now and source["source"] not in [other["source"] for other in asked]:
            yield f"{source['source']} is gone"
    if sorted(map(str, now)) == sorted(map(str, before)):
        yield "the files of the corpus stand in another order"
