"""Models: directories of numbered versions, watched as TF Serving watches them; a newer version takes over once it is loaded and warm."""

import logging
import os
import threading

from export.local_server.errors import ServingError, cut, invalid
from export.local_server.loaded import LoadedModel

START, LOADING, AVAILABLE, UNLOADING, END = 10, 20, 30, 40, 50  # ModelVersionStatus.State of TF Serving
STATES = {START: "START", LOADING: "LOADING", AVAILABLE: "AVAILABLE", UNLOADING: "UNLOADING", END: "END"}
ALL, LATEST = "all", "latest"

log = logging.getLogger("export.local_server")


class Models:
    """The models that are served.

    Args:
        directories: dict of model name -> directory of its versions.
        versions: LATEST, ALL, or a list of int: which are loaded.
        labels: dict of label -> version, such as {"stable": 1}; of all models.
        poll: seconds between two looks at the directories.
    """

    def __init__(self, directories, *, versions=LATEST, labels=None, poll=1.0):
        self.directories = {name: os.path.abspath(path) for name, path in directories.items()}
        self.versions = versions
        self.labels = dict(labels or {})
        self.poll = poll
        self._loaded = {name: {} for name in directories}  # version -> LoadedModel; dicts are replaced, never changed
        self._states = {name: {} for name in directories}  # version -> (state, message)
        self._failed = {}  # (name, version) -> what its files looked like
        self._told = {}  # name -> what was said of its directory, once
        self._looked = threading.Event()  # once
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="models", daemon=True)

    def start(self):
        """Load what is there, in a thread, and watch. What is asked for meanwhile is refused with UNAVAILABLE."""
        self._thread.start()

    def wait(self, seconds=None):
        """Wait until what was there at the start is loaded, or cannot be. Returns: whether it is."""
        return self._looked.wait(seconds)

    def close(self):
        self._stop.set()
        if self._looked.is_set() and self._thread.is_alive():  # a first load, which may take minutes, is not waited for
            self._thread.join()

    def get(self, name, version=None, label=None):
        """Args: version: int; None: the newest. label: in place of a version. Returns: LoadedModel. Raises: ServingError."""
        self._check_name(name)
        if label is not None:
            if label not in self.labels:
                raise invalid(f"Unrecognized servable version label: {label}")
            version = self.labels[label]
        loaded = self._loaded[name]
        if version is None and loaded:
            return loaded[max(loaded)]
        if version not in loaded:
            if not self._looked.is_set():
                raise ServingError("UNAVAILABLE", f"{name} is still being loaded; try again")
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError("NOT_FOUND", f"Servable not found for request: {which}")
        return loaded[version]

    def status(self, name, version=None, label=None):
        """Returns: list of (version, state, message), the newest first. Raises: ServingError where there is none."""
        self._check_name(name)
        if label is not None:
            version = self.get(name, label=label).version
        states = dict(self._states[name])
        chosen = sorted(states, reverse=True) if version is None else [version] if version in states else []
        if not chosen:
            which = name if version is None else f"{name}, version {version}"
            raise ServingError("NOT_FOUND", f"Could not find any versions of model {which}")
        return [(each, *states[each]) for each in chosen]

    def newest(self):
        """Returns: dict of name -> LoadedModel or None."""
        return {name: loaded[max(loaded)] if loaded else None for name, loaded in self._loaded.items()}

    def is_ready(self):
        """Whether every model has a version that answers."""
        return all(self._loaded.values())

    def look(self):
        """Load what is newly there, then let go of what is not asked for any more."""
        for name, directory in self.directories.items():
            wanted = self._wanted(name, directory)
            for version in wanted:
                if version not in self._loaded[name]:
                    self._load(name, version, os.path.join(directory, str(version)))
            kept = {version for version in wanted if version in self._loaded[name]}
            if kept:  # a directory that was emptied, or holds only what cannot be loaded, ends no service
                for version in set(self._loaded[name]) - kept:
                    self._states[name][version] = (END, "")
                    self._loaded[name] = {each: model for each, model in self._loaded[name].items() if each != version}
                    log.info("%s/%s is unloaded", name, version)

    def _wanted(self, name, directory):
        try:
            there = sorted(int(entry) for entry in os.listdir(directory) if entry.isascii() and entry.isdigit())
        except OSError as error:
            self._tell_once(name, str(error))
            return []
        self._tell_once(name, None if there else f"{directory} holds no version: no directory whose name is a number, such as 1")
        usable = [version for version in there if self._failed.get((name, version)) != _files(os.path.join(directory, str(version)))]
        if self.versions == ALL:
            return usable
        if self.versions == LATEST:
            return sorted({*usable[-1:], *(set(self.labels.values()) & set(usable))})
        return [version for version in usable if version in self.versions]

    def _tell_once(self, name, what):
        """Log what is wrong with a model's directory when it begins, and not at each look. Args: what: str; None: nothing is."""
        if what is not None and self._told.get(name) != what:
            log.warning("%s: %s", name, what)
        self._told[name] = what

    def _load(self, name, version, path):
        files = _files(path)
        self._states[name][version] = (LOADING, "")
        try:
            model = LoadedModel(name, version, path)
            model.warm_up()
        except Exception as error:  # a broken version must not end the server
            self._failed[name, version] = files  # until its files change, such as a copy that goes on
            self._states[name][version] = (END, cut(f"{type(error).__name__}: {error}"))
            log.error("%s/%s cannot be loaded: %s", name, version, cut(str(error)))
            return
        self._loaded[name] = self._loaded[name] | {version: model}
        self._states[name][version] = (AVAILABLE, "")
        log.info("%s/%s is loaded", name, version)

    def _check_name(self, name):
        if name not in self._loaded:
            served = ", ".join(sorted(self._loaded))
            raise ServingError("NOT_FOUND", f"Servable not found for request: Latest({cut(name)}); served: {served}")

    def _watch(self):
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:
                log.exception("looking for versions failed; it is tried again")
            self._looked.set()
            self._stop.wait(self.poll)


def _files(path):
    """What tells whether a directory's files have changed. Returns: list."""
    found = []
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                status = os.stat(os.path.join(folder, name))
            except OSError:
                continue
            found.append((os.path.join(folder, name), status.st_mtime_ns, status.st_size))
    return sorted(found)
