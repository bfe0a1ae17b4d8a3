"""From the Hugging Face hub: hf://owner/name[@revision], kept in the cache that its library keeps (HF_HOME, HF_HUB_CACHE)."""

import glob
import os
import re
import warnings

SCHEME = "hf://"
FORM = "hf://owner/name or hf://owner/name@revision"

_NAME = r"[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?"
_URL = re.compile(rf"hf://({_NAME}/{_NAME})(?:@([\w][\w./-]*))?", re.ASCII)

_COMMIT = re.compile("[0-9a-f]{40}")

_CONFIGURATIONS = ("keras_bert.json", "modules.json", "config.json", "bert_config.json")
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors|model\.safetensors\.index\.json")
_KERAS_HUB = re.compile(r"(model|task|model_\d+)\.weights\.h5")
_TENSORFLOW = re.compile(r".+\.(index|data-\d{5}-of-\d{5})|checkpoint")
# Beside the weights: settings, vocabularies and labels.
_SMALL = re.compile(r"[^/]+\.(json|txt)|sentencepiece\.model|assets/tokenizer/vocabulary\.txt")
_MODULE = re.compile(r"\d+_[A-Za-z]+")  # a folder of sentence-transformers

_MOST_LISTED = 20


def fetch(url):
    """Get a checkpoint, and nothing but the files that a reader wants; never a pickle.

    What is whole in the cache is taken from there: of a commit without a request, of a branch or tag once the hub has said that it is
    still where it was, or where the hub does not answer. HF_HUB_OFFLINE=1 forbids requests altogether. Where a connection breaks, the
    library asks for the rest; where the program ends in the middle, the files that are whole are kept.

    Args: url: hf://owner/name, the newest of its main branch, or hf://owner/name@revision: a branch, tag or commit.
    Returns: path of a local directory. Its files may be links into the cache: do not write there.
    Raises:
        ValueError: the url has another form; or the repository has no weights that can be read, naming what it has.
        FileNotFoundError: there is no such repository or revision; or it is not in the cache, and the hub is not to be asked.
        PermissionError: its owner has to grant access first.
        OSError: the hub could not be reached, and the cache has no whole copy.
        ImportError: huggingface_hub is not installed.
    Warns: where the hub does not answer and the cache's copy is given: its commit, and why. Not with HF_HUB_OFFLINE=1.
    """
    repository, revision = parse(url)
    try:
        import huggingface_hub
        from huggingface_hub import constants, errors
    except ImportError as error:
        raise ImportError(f"{url} needs huggingface_hub: pip install keras3-bert[hub]") from error
    if constants.HF_HUB_OFFLINE or _COMMIT.fullmatch(revision or ""):
        directory = _whole_in_cache(huggingface_hub, repository, revision)
        if directory is not None:
            return directory
    log_in = "log in by `hf auth login` or set HF_TOKEN"
    try:
        info = huggingface_hub.HfApi().model_info(repository, revision=revision)
        wanted = _wanted_or_raise(url, [sibling.rfilename for sibling in info.siblings or []])
        return huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=_patterns(wanted))
    except errors.GatedRepoError as error:
        raise PermissionError(
            f"{url}: the owner of {repository} grants access one by one; ask for it on its page, then {log_in}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(f"{url}: the hub has no repository {repository}; if it is a private one, {log_in}") from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(f"{url}: {repository} has no branch, tag or commit {revision or 'main'!r}") from error
    except ValueError:
        raise
    except Exception as error:  # the library's own, and those of whichever HTTP library it uses
        directory = _whole_in_cache(huggingface_hub, repository, revision) or _readable_in_cache(huggingface_hub, repository, revision)
        if directory is not None:
            if not constants.HF_HUB_OFFLINE:
                warnings.warn(
                    f"{url} could not be fetched: {type(error).__name__}: {error}. The copy in the cache is used, which is commit "
                    f"{os.path.basename(directory)} of {repository}; with HF_HUB_OFFLINE=1 it is used without asking the hub",
                    stacklevel=2,
                )
            return directory
        if constants.HF_HUB_OFFLINE:
            raise FileNotFoundError(
                f"{url} is not whole in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE forbids to ask the hub; "
                "fetch it once without that setting"
            ) from error
        raise OSError(f"{url} could not be fetched: {type(error).__name__}: {error}") from error


def parse(url):
    """Returns: "owner/name", and the revision or None. Raises: ValueError telling the form."""
    found = _URL.fullmatch(url)
    if not found or ".." in url or "--" in found[1] or (found[2] or "").endswith(("/", ".")) or "//" in (found[2] or ""):
        raise ValueError(f"{url!r} is no model of the hub; expected {FORM}")
    return found[1], found[2]


def wanted_files(names):
    """Choose the files that a reader wants: safetensors if there are any, else KerasHub's or TensorFlow's weights.

    Args: names: paths of all files of a repository.
    Returns: list of paths; empty: it has no weights that can be read.
    """
    folders = {""} | {name.rpartition("/")[0] for name in names if _MODULE.fullmatch(name.rpartition("/")[0])}
    weights = []
    for folder in sorted(folders):
        here = [name for name in names if name.rpartition("/")[0] == folder]
        whole = [name for name in here if os.path.basename(name) == "model.safetensors"]
        shards = [name for name in here if _SHARD.fullmatch(os.path.basename(name))]
        weights += whole or (shards if any(name.endswith(".index.json") for name in shards) else [])
    if not weights:
        weights = [name for name in names if _KERAS_HUB.fullmatch(name)]
    if not weights:
        weights = [name for name in names if "/" not in name and _TENSORFLOW.fullmatch(name)]
        weights = weights if any(name.endswith(".index") for name in weights) else []
    small = [name for name in names if _SMALL.fullmatch(name) and not _SHARD.fullmatch(name)]
    small += [name for name in names if name.rpartition("/")[0] in folders - {""} and _SMALL.fullmatch(os.path.basename(name))]
    if not weights or not any(name in _CONFIGURATIONS for name in small):
        return []
    return sorted(set(weights + small))


def _wanted_or_raise(url, names):
    wanted = wanted_files(names)
    if not wanted:
        listed = ", ".join(sorted(names)[:_MOST_LISTED]) + (f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else "")
        raise ValueError(
            f"{url} holds {listed or 'nothing'}: no weights that keras_bert reads. Those are model.safetensors (or its shards), "
            "KerasHub's model.weights.h5 or a TensorFlow checkpoint, with a configuration. Pickles (.bin, .pt, .ckpt) are refused: "
            "loading one can run code that it carries; save the model as safetensors (in Transformers: model.save_pretrained(path))"
        )
    return wanted


def _whole_in_cache(huggingface_hub, repository, revision):
    """Returns: path of a snapshot that is known to have every wanted file, or None."""
    from huggingface_hub import errors

    if not hasattr(huggingface_hub, "get_cached_repo_tree"):  # older versions cannot tell a whole snapshot from one that was cut off
        return None
    try:
        wanted = wanted_files([file.path for file in huggingface_hub.get_cached_repo_tree(repository, revision=revision)])
        if not wanted:
            return None
        return huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=_patterns(wanted), local_files_only=True)
    except (errors.CachedRepoTreeNotFoundError, errors.LocalEntryNotFoundError):
        return None


def _readable_in_cache(huggingface_hub, repository, revision):
    """Returns: path of a snapshot that another program left there, if a reader has what it needs, or None."""
    from huggingface_hub import errors

    try:
        directory = huggingface_hub.snapshot_download(repository, revision=revision, local_files_only=True)
    except errors.LocalEntryNotFoundError:
        return None
    names = [os.path.relpath(os.path.join(folder, name), directory) for folder, _, files in os.walk(directory) for name in files]
    return directory if wanted_files([name.replace(os.sep, "/") for name in names]) else None


def _patterns(names):
    return [glob.escape(name) for name in names]
