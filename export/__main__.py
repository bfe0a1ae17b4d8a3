"""Export a saved model for TF Serving, once it is verified in a new process.

    python -m export --model DIR --output served/reviews
    python -m export --model DIR --output served/reviews --freeze --dtype bfloat16     # the fastest on a CPU that has AMX or AVX-512 BF16

The next version is made aside, held against the ops that TF Serving has, compared with the model, measured, given its number, and older
ones removed if --keep says so. Beside the versions come models.config and batching_parameters.txt.

The last line printed is one JSON object: saved_model, the version directory; export_max_abs_diff, the largest difference of a
probability between the model and the SavedModel reloaded in a new process: 1e-6 or less in float32; in bfloat16, which has 8 bits of
precision, about 1e-2; warm_up_requests, how many were written; measured; removed; and docker, the command that serves it.
"""

import argparse
import json
import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it makes BERT 1.3 to 1.7 times as fast

import keras_bert
from export import publish_saved_model
from export.gate import NEWEST, SERVERS
from export.network import DTYPES
from export.publish import benchmark_table
from export.warm_up import HINT


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="directory of a model: one that save_pretrained wrote, or Transformers' own")
    parser.add_argument("--output", required=True, help="directory to make the next numbered version in")
    parser.add_argument("--text_pair", action="store_true", default=None, help="the model reads pairs (where the directory does not say)")
    parser.add_argument("--freeze", action="store_true", help="weights as constants: in bfloat16 faster answers, after a slow first one")
    parser.add_argument("--dtype", choices=DTYPES, help="compute, and store weights, in this dtype (default: as the model does)")
    parser.add_argument("--core_ops", action="store_true", help="TensorFlow's own ops alone, for a server without tensorflow-text; slower")
    parser.add_argument("--max_length", type=int, help="most tokens of a row (default: the model's)")
    parser.add_argument(
        "--top_k", type=int, help="how many of the likeliest labels, or words of a mask, an answer names (default: the model's)"
    )
    parser.add_argument("--tf_serving", choices=SERVERS, default=NEWEST, help=f"the TF Serving that is to load it (default: {NEWEST})")
    parser.add_argument("--name", help="of the model at the server (default: the last part of --output)")
    parser.add_argument("--keep", type=int, metavar="N", help="remove all but the newest N versions, after success")
    parser.add_argument("--kubernetes", action="store_true", help="write kubernetes.yaml beside the versions: a Deployment and a Service")
    parser.add_argument("--benchmark", action="store_true", help="measure all lengths, and print texts a second and memory")
    options = parser.parse_args(arguments)
    model = keras_bert.from_pretrained(options.model)
    if options.text_pair:
        if not hasattr(model, "text_pair"):
            parser.error(f"--text_pair: a {type(model).__name__} reads no pairs of texts; leave it out")
        model.text_pair = True
    if options.max_length is not None:
        model.max_length = options.max_length
    if options.top_k is not None:
        if not hasattr(model, "top_k") or isinstance(model, keras_bert.BertSeq2Seq):  # a writer's is of samples
            parser.error(f"--top_k: a {type(model).__name__} answers no list of best labels or words; leave it out")
        model.top_k = options.top_k
    result = publish_saved_model(
        model,
        options.output,
        name=options.name,
        freeze=options.freeze,
        dtype=options.dtype,
        core_ops=options.core_ops,
        tf_serving=options.tf_serving,
        keep=options.keep,
        source=options.model,
        kubernetes=options.kubernetes,
        benchmark=options.benchmark,
    )
    if not result["warm_up_requests"]:
        print(HINT)
    if options.benchmark:
        print(benchmark_table(result["measured"]))
    print(f"Serve it:\n\n    {result['docker']}\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
