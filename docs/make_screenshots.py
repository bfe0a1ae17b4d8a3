"""Make the pictures of the local server's page in docs/screenshots: each task, in light, in dark, and on a phone. A few minutes.

    python docs/make_screenshots.py                     # needs chromium, a font with Chinese, and the extra `serving`
    python docs/make_screenshots.py --tasks tagger qa   # some of them

The models are small ones that have learnt the few sentences below by heart, and answer them.
"""

import argparse
import base64
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "processes")]
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from browser import Browser

import export
from keras_bert import (
    BertClassifier,
    BertConfig,
    BertEmbedder,
    BertEncoder,
    BertExtractiveSummarizer,
    BertIntentSlots,
    BertMaskedLM,
    BertMultipleChoice,
    BertQuestionAnswerer,
    BertSemanticRoleLabeler,
    BertSeq2Seq,
    BertTagger,
    BertTokenizer,
    data,
)

SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128, "max_position_embeddings": 128}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
STEPS = 50
VIEWS = {"light": (760, False), "dark": (760, True), "phone": (360, False)}  # width, and whether the system asks for dark colours

REVIEWS = {
    "A warm, funny film with a cast that clearly enjoys every scene.": "positive",
    "Two hours of noise and not one idea.": "negative",
    "It starts slowly, but the last act is a small wonder.": "positive",
    "The plot makes no sense and the jokes are worse.": "negative",
    "Neither good nor bad: it passes the time.": "mixed",
    "Fine photography, a weak script.": "mixed",
}
NEWS = [
    ("Angela Merkel met Tim Cook in Berlin to talk about Apple .", "B-PER I-PER O B-PER I-PER O B-LOC O O O B-ORG O"),
    ("The United Nations will open an office in Nairobi .", "O B-ORG I-ORG O O O O O B-LOC O"),
    ("Marie Curie worked in Paris .", "B-PER I-PER O O B-LOC O"),
]
COMMANDS = [
    ("play some smooth jazz by Miles Davis on Spotify", "PlayMusic", "O O B-genre I-genre O B-artist I-artist O B-service"),
    ("will it rain in Oslo tomorrow", "GetWeather", "O O O O B-city B-time"),
    ("book a table for four in Rome tonight", "BookRestaurant", "O O O O B-people O B-city B-time"),
]
CONTEXT = (
    "The Golden Gate Bridge opened in May 1937. It spans the strait between San Francisco Bay and the Pacific Ocean, and was designed "
    "by Joseph Strauss. Its colour is called International Orange."
)
QUESTIONS = [
    ("Who designed the bridge?", "Joseph Strauss"),
    ("When did it open?", "May 1937"),
    ("What is its colour called?", "International Orange"),
]
SUMMARIES = [
    (
        "The council met on Monday. A new bridge will be built over the river by 2030. Coffee was served. Nobody spoke against it.",
        "A new bridge will be built by 2030.",
    ),
    ("It was late. Marie Curie won a second Nobel Prize. The hall was full.", "Curie won a second Nobel Prize."),
]
CHOICES = [
    ("He opened the umbrella because", ["it had begun to rain.", "the cake was sweet.", "seven is odd."], 0),
    ("Ice is", ["hot.", "cold."], 1),
]
TRANSLATED = [
    ("Where is the station?", "车站在哪里？"),
    ("The train is late today.", "火车今天晚点了。"),
    ("I would like a cup of tea.", "我想要一杯茶。"),
]
MASKED = ("Paris is the [MASK] of France.", "capital")
LIKE = ["A man is playing a guitar.", "Someone plays the guitar.", "A man is eating bread.", "The stock market fell today."]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="(default: all)")
    parser.add_argument("--output_dir", default=str(ROOT / "docs" / "screenshots"), help="(default: docs/screenshots)")
    options = parser.parse_args()
    os.makedirs(options.output_dir, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        asked = {}
        for task in options.tasks:
            keras.utils.set_random_seed(0)
            model, asked[task] = TASKS[task]()
            export.export_saved_model(model, os.path.join(directory, task))
            print(f"{task}: trained and exported", flush=True)
        command = [sys.executable, "-m", "export.local_server", "--rest_port", "0", "--grpc_port", "-1", "--model"]
        command += [os.path.join(directory, task) for task in asked]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            page = json.loads(server.stdout.readline())["page"]
            for view, (width, dark) in VIEWS.items():
                browser = Browser(os.path.join(directory, f"chromium_{view}"), width=width, dark=dark)
                for task, inputs in asked.items():
                    path = os.path.join(options.output_dir, f"{task}_{view}.png")
                    write_picture(browser, f"{page}#{task}", inputs, width, path)
                    print(f"{path}: {os.path.getsize(path):,} bytes", flush=True)
                browser.close()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def write_picture(browser, address, inputs, width, path):
    """Fill in the form, ask, and write the whole page as a PNG. Args: inputs: dict of input -> str."""
    browser.open(address)
    for name, text in inputs.items():
        browser.run(f"document.getElementById('input-{name}').value = {json.dumps(text)}")
    browser.run("document.getElementById('ask').click()")
    browser.wait("!!document.querySelector('#answer, .error')")
    height = browser.run("Math.ceil(document.querySelector('main').getBoundingClientRect().bottom)")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    picture = browser.send("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
    pathlib.Path(path).write_bytes(base64.b64decode(picture))


def made(cls, *labels, **options):
    """A small model of random weights, which knows the words of this file and no others."""
    model = cls(
        BertEncoder(BertConfig(vocab_size=len(vocabulary()), **SIZES, **NO_DROPOUT)), *labels, BertTokenizer(vocabulary()), **options
    )
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    return model


@functools.cache
def vocabulary():
    """Returns: list of str: the special tokens, then every word and sign that is asked or learnt."""
    texts = [*REVIEWS, *(text for text, *_ in (*NEWS, *COMMANDS)), CONTEXT, *(question for question, _ in QUESTIONS), *LIKE]
    texts += [document for document, _ in SUMMARIES]
    texts += [text for start, choices, _ in CHOICES for text in (start, *choices)]
    texts += [" ".join(sentence.words) for sentence in sentences()]
    texts += [part for source, target in TRANSLATED for part in (source, " ".join(target))]  # a Chinese character is a word
    words = re.findall(r"\w+|[^\w\s]", " ".join([*texts, *MASKED]).lower())
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set(words))]


def sentences():
    """Returns: list of PropbankSentence: two of real reviews, with their predicates and roles."""
    return data.read_propbank(str(ROOT / "tests" / "reference" / "propbank" / "gold.jsonl"))[1:3]


def classifier():
    model = made(BertClassifier, ["negative", "mixed", "positive"], max_length=32, text_pair=False)
    model.fit(list(REVIEWS), list(REVIEWS.values()), epochs=STEPS, verbose=0)
    return model, {"text": next(iter(REVIEWS))}


def tagger():
    tags = ["O", *(f"{place}-{kind}" for kind in ("PER", "LOC", "ORG") for place in "BI")]
    model = made(BertTagger, tags, max_length=32)
    model.fit([text.split() for text, _ in NEWS], [given.split() for _, given in NEWS], epochs=STEPS, verbose=0)
    return model, {"text": NEWS[0][0].replace(" .", ".")}


def intent_slots():
    kinds = sorted({tag[2:] for _, _, tags in COMMANDS for tag in tags.split() if tag != "O"})
    tags = ["O", *(f"{place}-{kind}" for kind in kinds for place in "BI")]
    model = made(BertIntentSlots, tags, intents=[intent for _, intent, _ in COMMANDS], max_length=32)
    targets = {"intent": [intent for _, intent, _ in COMMANDS], "slots": [tags.split() for _, _, tags in COMMANDS]}
    model.fit([text.split() for text, _, _ in COMMANDS], targets, epochs=STEPS, verbose=0)
    return model, {"text": COMMANDS[0][0]}


def roles():
    labels = data.role_labels(sentences())
    model = made(BertSemanticRoleLabeler, labels, max_length=32)
    model.fit(*data.propbank_dataset(sentences(), labels), epochs=2 * STEPS, verbose=0)
    return model, {"text": " ".join(sentences()[1].words)}


def question_answerer():
    model = made(BertQuestionAnswerer, max_length=96, stride=32)
    starts = [CONTEXT.index(answer) for _, answer in QUESTIONS]
    ends = [start + len(answer) for start, (_, answer) in zip(starts, QUESTIONS, strict=True)]
    questions = {"question": [question for question, _ in QUESTIONS], "context": [CONTEXT] * len(QUESTIONS)}
    model.fit(questions, {"start": starts, "end": ends}, epochs=2 * STEPS, verbose=0)
    return model, {"question": QUESTIONS[0][0], "context": CONTEXT}


def summarizer():
    model = made(BertExtractiveSummarizer, max_length=64, num_sentences=1)
    model.fit(data.extractive_dataset(SUMMARIES), epochs=STEPS, verbose=0)
    return model, {"text": SUMMARIES[0][0]}


def multiple_choice():
    model = made(BertMultipleChoice, max_length=32)
    questions = {"text": [text for text, _, _ in CHOICES], "choices": [choices for _, choices, _ in CHOICES]}
    model.fit(questions, [right for _, _, right in CHOICES], epochs=STEPS, verbose=0)
    return model, {"text": CHOICES[0][0], "choices": "\n".join(CHOICES[0][1])}


def translator():
    model = made(BertSeq2Seq, max_length=32, max_target_length=16, num_beams=4, num_answers=2)
    model.fit([source for source, _ in TRANSLATED], [target for _, target in TRANSLATED], epochs=STEPS, verbose=0)
    return model, {"text": TRANSLATED[0][0]}


def masked_words():
    model = made(BertMaskedLM, max_length=32, text_pair=False)
    text, word = MASKED
    features = dict(model.preprocess([text]))
    features["masked_positions"] = np.flatnonzero(np.asarray(features["input_ids"])[0] == model.tokenizer.mask_id)[None].astype("int32")
    masked_ids = np.full(features["masked_positions"].shape, model.tokenizer.vocabulary.index(word), "int32")
    model.fit(features, masked_ids, sample_weight=np.ones(masked_ids.shape, "float32"), epochs=8, verbose=0)
    return model, {"text": text}


def embedder():
    model = made(BertEmbedder, max_length=32, text_pair=False)  # random weights: texts that share words are alike
    return model, {"text": LIKE[0], "others": "\n".join(LIKE[1:])}


TASKS = {
    "classifier": classifier,
    "tagger": tagger,
    "intent_slots": intent_slots,
    "roles": roles,
    "qa": question_answerer,
    "summary": summarizer,
    "choices": multiple_choice,
    "translation": translator,
    "masked_words": masked_words,
    "embedder": embedder,
}

if __name__ == "__main__":
    main()
