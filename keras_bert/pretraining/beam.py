"""prepare_pretraining_data as an Apache Beam pipeline, for corpora whose examples one machine would take too long to make."""

import os

from keras_bert.data.corpus import Corpus
from keras_bert.data.corpus_files import CorpusCounts
from keras_bert.files import locked_directory
from keras_bert.pretraining import manifest as manifest_lib
from keras_bert.pretraining.settings import ExampleSettings
from keras_bert.pretraining.shards import ShardMaker, cut_into_shards
from keras_bert.text.serialization import tokenizer_from_config, tokenizer_to_config

_COUNTS = "counts"
_makers = {}  # one a process: its tokenizer's graph is traced once


def prepare_with_beam(corpus, output_dir, tokenizer, settings=None, *, options=None, runner=None):
    """Make pretraining examples on a cluster: the same files as prepare_pretraining_data, byte for byte.

        prepare_with_beam(corpus, "/mnt/shared/examples", tokenizer, settings, options=["--runner=FlinkRunner", "--flink_master=..."])

    One worker reads the corpus and cuts it into shards; all others make them. Corpus and output_dir must be on a file system that every
    worker sees. Killed, it is gone on with as there, by either of the two.

    Args: corpus, output_dir, tokenizer, settings: see prepare_pretraining_data. options: list of Beam's flags, or its PipelineOptions.
        runner: a Beam runner, or its name; None: as options say.
    Returns, raises: as prepare_pretraining_data; faults in a worker as the runner tells them. ImportError without apache-beam.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise ImportError('a Beam pipeline needs apache-beam: pip install "keras3-bert[beam]"') from error
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    settings = settings or ExampleSettings()
    output_dir = os.path.abspath(os.fspath(output_dir))
    corpus.check_is_apart(output_dir)
    description = manifest_lib.describe(corpus, tokenizer, settings)
    with locked_directory(output_dir):
        finished = manifest_lib.begin(output_dir, description)
        if not manifest_lib.is_complete(output_dir):
            options = options if isinstance(options, PipelineOptions) else PipelineOptions(options or [])
            with beam.Pipeline(runner=runner, options=options) as pipeline:
                _build(beam, pipeline, corpus, output_dir, tokenizer, settings, description, finished)
        return manifest_lib.read_manifest(output_dir)


def _build(beam, pipeline, corpus, output_dir, tokenizer, settings, description, finished):
    """Put the steps into a pipeline: read, cut, make, and write the manifest."""
    config = tokenizer_to_config(tokenizer)

    def read(part):
        counts = CorpusCounts()
        for shard, documents in enumerate(cut_into_shards(part.read(counts), settings)):
            if shard not in finished:
                yield shard, documents
        yield beam.pvalue.TaggedOutput(_COUNTS, counts)

    def write(run):
        shard, documents = run
        key = (repr(config), settings)
        if key not in _makers:
            _makers[key] = ShardMaker(tokenizer_from_config(config), settings)
        return _makers[key].write(shard, documents, output_dir)

    def finish(made, counts):
        shards = finished | {shard["shard"]: shard for shard in made}
        manifest_lib.finish(output_dir, description, [shards[shard] for shard in sorted(shards)], counts)

    runs = pipeline | beam.Create([corpus]) | "Read" >> beam.FlatMap(read).with_outputs(_COUNTS, main="runs")
    made = runs.runs | beam.Reshuffle() | "Write" >> beam.Map(write) | beam.combiners.ToList()
    _ = made | "Finish" >> beam.Map(finish, beam.pvalue.AsSingleton(runs[_COUNTS]))
