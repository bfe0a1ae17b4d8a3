"""Convert a BERT checkpoint, heads, labels and vocabulary included, and check the result.

    python examples/convert_checkpoint.py --input uncased_L-12_H-768_A-12 --output_dir bert --format hugging_face

Reads every format that keras_bert reads: google-research's TF1 directories, Model Garden's TF2 checkpoints, Transformers,
sentence-transformers, KerasHub presets, keras_bert's own, and hf://owner/name[@revision]. Writes keras_bert's own, Transformers', Model
Garden's, and, of an embedder, sentence-transformers'. Then the result is read again, and both models answer a probe batch; the last line
is a JSON object with the largest difference.
BERT-large takes under a minute on 2 cores.
"""

import argparse
import gc
import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

import keras_bert
from keras_bert import checkpoints, features
from keras_bert.tasks import class_of

FORMATS = ("keras_bert", "hugging_face", "model_garden", "sentence_transformers")
TOLERANCE = 1e-5  # a conversion moves numbers and changes none; more than rounding is a fault


def convert(source, output_dir, format, *, input_format=None):
    """Convert and check.

    Args: source: what to read. output_dir: where to write. format: of FORMATS. input_format: of checkpoints.FORMATS, or None: by the files.
    Returns: dict of max_abs_diff, parameters, output.
    Raises: SystemExit where the result differs.
    """
    started = time.perf_counter()
    checkpoint = checkpoints.open_checkpoint(source, format=input_format)
    cls = class_of(checkpoint)
    print(f"{source}: {checkpoint.format}, read as {cls.__name__}", flush=True)
    model = keras_bert.from_pretrained(checkpoint, cls)
    print(model.load_report, flush=True)
    tokenizer = checkpoint.make_tokenizer()
    network, labels, tokenizer = checkpoints.parts_of(model, checkpoint.labels, tokenizer)
    labels = labels if hasattr(network, "num_labels") else None  # a bare encoder's config.json may name some, of no use to it
    network_class, probe = type(network), probe_batch(network)
    expected = answers(network, probe)
    parameters = sum(int(np.prod(weight.shape)) for weight in network.weights)
    if format == "hugging_face":
        checkpoints.to_hugging_face(network, output_dir, labels=labels, tokenizer=tokenizer)
    elif format == "model_garden":
        checkpoints.to_model_garden(network, output_dir, tokenizer=tokenizer)
    elif format == "sentence_transformers":
        checkpoints.to_sentence_transformers(model, output_dir, tokenizer=tokenizer)  # the task knows max_length
    elif network is not model:
        model.save_pretrained(output_dir)
    else:
        checkpoints.save_network(network, output_dir, labels=labels, tokenizer=tokenizer)
    print(f"written {output_dir} after {time.perf_counter() - started:.0f} s; checking", flush=True)
    del model, network
    gc.collect()  # so that two models never stand in memory
    options = {} if labels is None else {"labels": labels}
    again = checkpoints.load_network(output_dir, network_class, **options)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(expected, answers(again, probe), strict=True))
    if not difference <= TOLERANCE:
        raise SystemExit(f"{output_dir} answers a probe batch otherwise than {source}: the largest difference is {difference}")
    return {"max_abs_diff": difference, "parameters": parameters, "output": os.path.abspath(output_dir)}


def probe_batch(network):
    """Random ids, two texts a row, padding, and a few positions to ask about."""
    encoder = getattr(network, "encoder", network)
    config = encoder.config
    generator = np.random.default_rng(0)
    length = min(32, config.max_position_embeddings)
    places = np.arange(length)[None]
    ends = np.array([[length], [length * 3 // 4], [length // 2]])
    batch = {
        features.INPUT_IDS: generator.integers(0, config.vocab_size, (3, length)),
        features.TOKEN_TYPE_IDS: (places >= ends // 2) * (places < ends) * min(1, config.type_vocab_size - 1),
        features.ATTENTION_MASK: places < ends,
        features.MASKED_POSITIONS: generator.integers(0, length // 2, (3, 4)),
        features.DECODER_INPUT_IDS: generator.integers(0, getattr(network, "decoder", encoder).config.vocab_size, (3, 4)),
    }
    return {name: batch[name].astype(features.DTYPE) for name in network.input}


def answers(network, batch):
    """Returns: the outputs, as a list of float32 arrays; what stands at padding is set to 0."""
    real = batch[features.ATTENTION_MASK]
    outputs = [np.asarray(output, "float32") for output in keras.tree.flatten(network(batch, training=False))]
    return [
        output * real.reshape(real.shape + (1,) * (output.ndim - 2)) if output.shape[1:2] == real.shape[1:] else output
        for output in outputs
    ]


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, help="a checkpoint's directory, or hf://owner/name[@revision]")
    parser.add_argument(
        "--output_dir", required=True, help="the directory to write; an older model there is replaced once the new one is whole"
    )
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    parser.add_argument("--input_format", choices=tuple(checkpoints.FORMATS), help="what to read, where the files fit more than one format")
    given = parser.parse_args(arguments)
    print(json.dumps(convert(given.input, given.output_dir, given.format, input_format=given.input_format)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from error
