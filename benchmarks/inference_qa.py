"""Answers to questions, as a task of the suite inference: BertQuestionAnswerer.answer beside Transformers' windows and n best spans.

Both have the same weights, in float32: --model's, or MiniLM's after --train_steps updates on XQuAD's training part. Asked are the questions
of its development part: all in one call, where contexts are of mixed lengths and some are several windows, by the fastest of each side's
batch sizes; and one a call. Transformers 5 has no pipeline for it: its side does what the script of Transformers' examples does, see
sides/transformers_answers.py. Its windows share 128 pieces with the next. Ours begin 240 apart, so that both read about as many.

Answers are compared before anything is timed. To questions whose context is one window they must be the same. Of several windows the script
takes the best span wherever it stands, while ours reads a piece in the window that sees most around it, as google-research's run_squad.py
does, and the windows are not quite the same: there the share of equal answers is told only.
"""

import collections
import json
import os
import statistics
import tempfile

from benchmarks import inference_text, latency, peers
from benchmarks import text as text_lib

NAME = "qa"
PEERS = ("transformers_windows",)
TARGET, SINGLES_TARGET = 1.5, 1.0
SINGLES = 64  # calls of a run
DATA = {part: peers.ROOT / "examples" / "data" / "xquad" / f"{part}.json.gz" for part in ("train", "dev")}
BATCH_SIZE, LEARNING_RATE = 16, 2e-4  # as examples/finetune_qa.py; MiniLM is small, and wants a higher rate than BERT-base
WINDOWS = {"max_length": 384, "overlap": 128, "stride": 240, "n_best": 20, "max_answer_length": 30}  # overlap is Transformers', stride ours
LEAST_AGREEMENT = 0.99
LEAST_ANSWERS = 10


def measure(options):
    """Yields: two rows, dicts as --json writes them: of all questions in one call, and of one a call."""
    inference_text.check(options, NAME, PEERS[0])
    with tempfile.TemporaryDirectory() as directory:
        examples = questions(DATA["dev"])[: options.texts]
        pairs = [example[:2] for example in examples]
        model = os.path.abspath(options.model) if options.model else train(options, directory)
        scripts = ("keras_bert answer", "keras_bert_answers"), (PEERS[0], "transformers_answers")
        with inference_text.two_sides(options, *scripts, pairs, directory, WINDOWS | {"model": model}) as (own, its):
            windows, several = windows_of(own, its)
            compared = windows | compare_answers(own, its, examples, several)
            weights = options.model or f"{latency.MINILM}, {options.train_steps} steps"
            row = inference_text.row_of(options, NAME, own, its, TARGET, weights) | compared
            yield row | inference_text.time_all(own, its, len(pairs), options.rounds)
            row["target"] = SINGLES_TARGET
            yield row | inference_text.time_singles(own, its, min(SINGLES, len(pairs)), options.rounds)


def questions(path):
    """Returns: list of (question, context, list of its answers), of a file in SQuAD's JSON."""
    articles = json.loads(text_lib.read_file(path))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    return [
        (question["question"], paragraph["context"], [answer["text"] for answer in question["answers"]])
        for paragraph in paragraphs
        for question in paragraph["qas"]
    ]


def train(options, directory):
    """Fine-tune a model for some steps. Returns: path of a Transformers directory. Raises: BenchmarkError without MiniLM's weights."""
    pretrained = latency.get_minilm()
    if pretrained is None:
        raise peers.BenchmarkError("random weights answer nonsense: name a trained model by --model")
    settings = {
        "pretrained": pretrained,
        "train": str(DATA["train"]),
        "steps": options.train_steps,
        "batch_size": BATCH_SIZE,
        "learning_rate": LEARNING_RATE,
        "path": os.path.join(directory, "trained"),
    }
    limit = {"timeout_seconds": 4 * 3600}
    with peers.Side("training", "keras_bert_trained_answerer", threads=options.threads, settings=settings, **limit) as side:
        answer = side.ask("run")
    print(f"trained for {options.train_steps} steps in {answer['seconds']:.0f} s; mean loss {answer['loss']:.3f}", flush=True)
    return settings["path"]


def windows_of(own, its):
    """Returns: dict: into how many windows each side cuts the contexts, and their mean length in tokens; set: the places of questions whose
    context is several."""
    ours, theirs = (side.ask("run", measure="lengths") for side in (own, its))
    windows = {"windows": len(ours["lengths"]), "peer_windows": len(theirs["lengths"])}
    windows |= {"mean_length": statistics.mean(ours["lengths"]), "peer_mean_length": statistics.mean(theirs["lengths"])}
    return windows, {place for place, count in collections.Counter(theirs["questions"]).items() if count > 1}


def compare_answers(own, its, examples, several):
    """Compare what both answer.

    Args: examples: of `questions`. several: places of those whose context is several windows.
    Returns: dict: agreement: the share of the other questions to which both give the same text; several: how many these are;
        several_agreement: the share of them, None without any; right, peer_right: the share of all to which each gives one of the file's
        answers.
    Raises: BenchmarkError where agreement is less than LEAST_AGREEMENT, or so few texts are different that it proves nothing.
    """
    request = inference_text.request_of(len(examples), inference_text.BATCH_SIZES[1])
    ours, theirs = (side.ask("outputs", **request)["outputs"] for side in (own, its))
    different = min(len(set(ours)), len(set(theirs)))
    if different < LEAST_ANSWERS:
        told = f"{different} different answers to {len(examples)} questions"
        raise peers.BenchmarkError(f"{told}: fewer than {LEAST_ANSWERS} prove nothing: train longer, ask more, or name a model by --model")
    others = [place for place, (own_text, its_text) in enumerate(zip(ours, theirs, strict=True)) if own_text != its_text]
    singles, single_others = len(examples) - len(several), [place for place in others if place not in several]
    told = f"{own.name} and {its.name} agree on {singles - len(single_others)} of {singles} answers from one window"
    print("; ".join([told, *(f"question {place}: {ours[place]!r}, {theirs[place]!r}" for place in single_others[:5])]), flush=True)
    agreement = 1 - len(single_others) / max(singles, 1)
    if agreement < LEAST_AGREEMENT:
        raise peers.BenchmarkError(f"{told}: {agreement:.2%}, under {LEAST_AGREEMENT:.0%}")
    right, peer_right = (
        sum(text in example[2] for text, example in zip(texts, examples, strict=True)) / len(examples) for texts in (ours, theirs)
    )
    several_agreement = 1 - len(several.intersection(others)) / len(several) if several else None
    shares = {"agreement": agreement, "several_agreement": several_agreement, "right": right, "peer_right": peer_right}
    return shares | {"several": len(several)}


def table(rows):
    """Returns: Markdown."""
    columns = {
        "equal answers": lambda row: f"{row['agreement']:.2%}",
        "equal where the context is several windows": lambda row: (
            f"{row['several_agreement']:.0%} of {row['several']}" if row["several"] else ""
        ),
        "right to the letter: ours, its": lambda row: f"{row['right']:.1%}, {row['peer_right']:.1%}",
        "windows of all questions: ours, its": lambda row: f"{row['windows']}, {row['peer_windows']}",
        "tokens of a window: ours, its": lambda row: f"{row['mean_length']:.0f}, {row['peer_mean_length']:.0f}",
    }
    return inference_text.table(rows, columns)
