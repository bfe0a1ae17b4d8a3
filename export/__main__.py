"""Export a saved model for TF Serving, and verify it in a new process.

    python -m export --model DIR --output DIR
    python -m export --model DIR --output DIR --freeze --dtype bfloat16     # the fastest on a CPU that has AMX or AVX-512 BF16

The last line printed is one JSON object: saved_model, the version directory, and export_max_abs_diff, the largest difference
of a probability between the model and the SavedModel reloaded in a new process: 1e-6 or less in float32; in bfloat16, which
has 8 bits of precision, about 1e-2.
"""

import argparse
import json
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import keras_bert
from export import export_saved_model, verify_saved_model
from export.network import DTYPES


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="directory of a model: one that save_pretrained wrote, or Transformers' own")
    parser.add_argument("--output", required=True, help="directory to make the next numbered version in")
    parser.add_argument("--text_pair", action="store_true", default=None, help="the model reads pairs (where the directory does not say)")
    parser.add_argument("--freeze", action="store_true", help="weights as constants: in bfloat16 faster answers, after a slow first one")
    parser.add_argument("--dtype", choices=DTYPES, help="compute, and store weights, in this dtype (default: as the model does)")
    options = parser.parse_args(arguments)
    model = keras_bert.from_pretrained(options.model)
    if options.text_pair:
        if not hasattr(model, "text_pair"):
            parser.error(f"--text_pair: a {type(model).__name__} reads no pairs of texts; leave it out")
        model.text_pair = True
    saved_model = export_saved_model(model, options.output, freeze=options.freeze, dtype=options.dtype)
    difference = verify_saved_model(saved_model, model)
    print(json.dumps({"saved_model": saved_model, "export_max_abs_diff": difference}))


if __name__ == "__main__":
    main()
