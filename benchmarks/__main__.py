"""Measure this project beside its peers in one alternating run, and print the ratios.

    benchmarks/setup_peers.sh                           # once: the peers' own virtual environment, benchmarks/.peers
    python -m benchmarks tokenization --json out.json

Only ratios of one run bind: the two sides alternate, so that what else the machine does meets both.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # for every side; TensorFlow leaves it off on many CPUs, where it is faster
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up chatter

from benchmarks import (
    generation,
    inference,
    latency,
    memory,
    mixed_lengths,
    peers,
    pretraining,
    pretraining_data,
    quality,
    report,
    scaling,
    serving,
    startup,
    tokenization,
    trainer_overhead,
    training,
)

# A suite is a module that gives NAME, HELP, PEERS, add_arguments(parser), measure(options) -> rows one by one,
# table(rows) -> Markdown and plot(rows, directory) -> paths.
SUITES = (
    inference,
    generation,
    latency,
    training,
    pretraining,
    pretraining_data,
    quality,
    mixed_lengths,
    memory,
    scaling,
    serving,
    startup,
    tokenization,
    trainer_overhead,
)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(title="suites", metavar="SUITE", required=True)
    for suite in SUITES:
        command = commands.add_parser(
            suite.NAME, help=suite.HELP, description=suite.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.set_defaults(suite=suite)
        command.add_argument("--peers", nargs="+", choices=suite.PEERS, default=list(suite.PEERS), help="default: all")
        command.add_argument("--peers_python", default=peers.PYTHON, metavar="PATH", help="their interpreter (default: %(default)s)")
        command.add_argument("--rounds", type=positive(int), default=5, metavar="N", help="of A B each (default: %(default)s)")
        command.add_argument("--json", metavar="FILE", help="write the rows there too")
        command.add_argument("--plot", metavar="DIR", help='write plots there too (extra "plot")')
        command.add_argument(
            "--keep_awake",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="keep a virtual machine's cores from being halted, by processes of idle priority (default: do; latency: do not)",
        )
        suite.add_arguments(command, positive)
    return parser.parse_args(arguments)


def positive(kind):
    """Returns: an argparse type: int or float above 0."""

    def read(text):
        value = kind(text)
        if value <= 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    read.__name__ = f"{kind.__name__} above 0"
    return read


def main(arguments=None):
    options = parse(arguments)
    rows, failure = [], None
    try:
        if options.plot:
            report.import_pyplot()  # missing? Say so before the measuring, not after.
        with peers.awake(options.keep_awake) as kept_awake:
            for row in options.suite.measure(options):
                rows.append(row | {"kept_awake": kept_awake})
                print(f"{row['side']} beside {row['peer']}: ratio {row['ratio_median']:.2f}, IQR {row['ratio_iqr']:.2f}", flush=True)
                if options.json:
                    report.write_json(rows, options.json)  # row by row: a run is long, and may be ended
    except peers.BenchmarkError as error:  # what was measured before is still told
        failure = error
    except KeyboardInterrupt:
        failure = "interrupted"
    if rows:
        print(options.suite.table(rows))
        print(f"Cores kept awake by processes of idle priority: {'yes' if rows[0]['kept_awake'] else 'no'}.")
        if options.plot:
            print("\n".join(f"plotted: {path}" for path in options.suite.plot(rows, options.plot)))
    if failure:
        sys.exit(f"benchmarks: {failure}")


if __name__ == "__main__":
    main()
