"""prepare_pretraining_data: a corpus to a directory of examples, by as many processes as there are cores."""

import concurrent.futures
import itertools
import json
import multiprocessing
import os
import tempfile
import threading
import time

from keras_bert.data.corpus import Corpus
from keras_bert.data.corpus_files import CorpusCounts
from keras_bert.files import locked_directory, write_json
from keras_bert.pretraining import manifest as manifest_lib
from keras_bert.pretraining.settings import ExampleSettings
from keras_bert.pretraining.shards import ShardMaker, cut_into_shards
from keras_bert.text.serialization import tokenizer_from_config, tokenizer_to_config


def prepare_pretraining_data(corpus, output_dir, tokenizer, settings=None, *, workers=None, progress=True):
    """Make pretraining examples of a corpus: TFRecord files, a shard each or more, and manifest.json.

        prepare_pretraining_data(Corpus("wiki/"), "examples", BertTokenizer("vocab.txt"), ExampleSettings(max_length=128))

    A shard's bytes follow from the corpus, the settings and the seed, whatever the number of processes. It is written aside and renamed.
    A call that was killed is called again: shards that are finished stay, the others are made. manifest.json comes last, so that a
    directory that has one is complete; where that is so, and corpus and settings are those of then, nothing is done.

    Args:
        corpus: Corpus, or its source.
        output_dir: a new or empty directory, or one that an earlier call began.
        tokenizer: of a class of this package, such as BertTokenizer.
        settings: ExampleSettings; None: those of BERT's first phase.
        workers: processes; None: one a core that this one may use. With more than one, a script that calls this must do so under
            `if __name__ == "__main__":`, since the processes import it.
        progress: tell on stderr how much is done.
    Returns: dict, the manifest: "settings", "tokenizer", "corpus", "sources", "read", "totals", and of each of "shards" its "files" with
        "name", "length_bin", "rows", "sequences", "tokens", "longest_row", "most_sequences", "bytes" and "sha256".
    Raises: ValueError where the directory holds examples of another corpus or other settings, naming what differs, or other files; and of
        the corpus as Corpus.read. OSError where a file cannot be written; finished shards stay. BlockingIOError where another process is
        making examples there. RuntimeError where a process is killed, or where the script has no such guard.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    settings = settings or ExampleSettings()
    output_dir = os.fspath(output_dir)
    workers = _cores() if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers={workers} is not 1 or more")
    _check_may_start_processes(workers)
    corpus.check_is_apart(output_dir)
    description = manifest_lib.describe(corpus, tokenizer, settings)
    with locked_directory(output_dir):
        finished = manifest_lib.begin(output_dir, description)
        if manifest_lib.is_complete(output_dir):
            return manifest_lib.read_manifest(output_dir)
        return _prepare(corpus, output_dir, tokenizer, settings, description, finished, workers, progress)


def _prepare(corpus, output_dir, tokenizer, settings, description, finished, workers, progress):
    """Make what is not finished. Returns: dict, the manifest."""
    counts = CorpusCounts()
    told = _Progress(corpus, description["sources"], enabled=progress)
    runs = enumerate(cut_into_shards(corpus.read(counts), settings))
    shards = dict(finished)
    try:
        for shard, description_of_shard in _make_all(runs, finished, output_dir, tokenizer, settings, workers):
            shards[shard] = description_of_shard
            told.update(len(shards) - len(finished), counts)
    except concurrent.futures.process.BrokenProcessPool as error:
        raise RuntimeError(
            "a process that made examples ended: a script that makes them outside of `if __name__ == '__main__':` (see above), or one that "
            f"was killed (for want of memory?); finished shards stay in {output_dir}: call again to go on, "
            f"with fewer workers than {workers}, or another directory and smaller shard_megabytes than {settings.shard_megabytes}"
        ) from error
    finally:
        told.close()
    return manifest_lib.finish(output_dir, description, [shards[shard] for shard in sorted(shards)], counts)


def _check_may_start_processes(workers):
    """Raises: RuntimeError in a process that is only just importing the script that started it, which would wait for its own for ever."""
    # What multiprocessing itself asks before it would start a process; it has no public name.
    imports_the_script = getattr(multiprocessing.current_process(), "_inheriting", False)
    if workers > 1 and imports_the_script:
        raise RuntimeError(
            f"workers={workers}: each process imports this script, and begins to make examples itself. Put what the script does under "
            "`if __name__ == '__main__':`, or say workers=1"
        )


def _make_all(runs, finished, directory, tokenizer, settings, workers):
    """Yields: (shard, its description) of the shards that were not finished, as they are made."""

    def wanted():
        # All are read, since where one begins hangs on those before.
        return ((shard, documents) for shard, documents in runs if shard not in finished)

    runs_left = wanted()
    first = list(itertools.islice(runs_left, 2 if workers > 1 else 1))
    runs_left = itertools.chain(first, runs_left)
    if len(first) < 2:  # starting processes takes longer than one shard
        maker = ShardMaker(tokenizer, settings) if first else None
        for shard, documents in runs_left:
            yield shard, maker.write(shard, documents, directory)
        return
    del first
    with tempfile.TemporaryDirectory() as aside:
        # By a file, not an argument: a process that ends before it has read its arguments leaves the one that starts it waiting for ever
        # where they do not fit a pipe, as a vocabulary does not.
        config = os.path.join(aside, "tokenizer.json")
        write_json(config, tokenizer_to_config(tokenizer))
        yield from _make_in_processes(runs_left, (config, settings, directory), workers)


def _make_in_processes(runs, arguments, workers):
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    others = set(multiprocessing.active_children())
    pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=arguments)
    try:
        waiting = {}
        for shard, documents in runs:
            waiting[pool.submit(_write_in_worker, shard, documents)] = shard
            del documents
            # One more than can be worked on: so none waits for the reader, and no more is in memory.
            while len(waiting) > workers:
                yield from _done(waiting)
        while waiting:
            yield from _done(waiting)
    except concurrent.futures.process.BrokenProcessPool:
        # The pool ends those that are left by SIGTERM, which they may ignore as their parent does. Then one may wait for ever, for a lock
        # that the dead one held, and the pool for it.
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _done(waiting):
    done, _ = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
    for future in done:
        yield waiting.pop(future), future.result()


_worker = {}


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)  # the parent was killed: there is nobody to give anything to, and the pool's own queue never tells


def _start_worker(tokenizer_file, settings, directory):
    import tensorflow as tf

    threading.Thread(target=_end_with_parent, daemon=True).start()
    with open(tokenizer_file, encoding="utf-8") as file:
        tokenizer_config = json.load(file)
    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)  # each process has a core
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _worker["maker"] = ShardMaker(tokenizer_from_config(tokenizer_config), settings)
    _worker["directory"] = directory


def _write_in_worker(shard, documents):
    return _worker["maker"].write(shard, documents, _worker["directory"])


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Progress:
    """Megabytes of the corpus's files that are done, of all; shards, and megabytes of text a second."""

    def __init__(self, corpus, sources, *, enabled):
        from keras_bert.training.progress import ProgressBar

        self._total = max(1, -(-sum(source.get("bytes", 0) for source in sources) // 1_000_000))
        self._bar = ProgressBar(self._total, enabled=enabled)
        self._began = time.monotonic()

    def update(self, made, counts):
        done = min(self._total, -(-counts.source_bytes // 1_000_000))
        speed = counts.bytes / 1e6 / max(time.monotonic() - self._began, 1e-9)
        self._bar.update(done, {"shards": made, "documents": counts.documents, "MB/s": speed})

    def close(self):
        self._bar.close()
