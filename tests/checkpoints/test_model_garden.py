"""The oracle is Model Garden itself: its models write and restore the checkpoints, and compute the outputs that ours must have."""

import dataclasses
import functools
import json
import sys

import numpy as np
import pytest

from keras_bert import BertConfig, BertTokenizer
from keras_bert.checkpoints import model_garden
from keras_bert.checkpoints.checkpoint import load_weights
from keras_bert.models import BertEncoder, MaskedLM, Pretrainer, SequenceClassifier, SpanClassifier, TextEmbedder, TokenClassifier

CONFIG = BertConfig(
    vocab_size=40, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32, max_position_embeddings=16
)
BASE = BertConfig(vocab_size=1000)
POSITIONS = np.array([[1, 2, 5], [3, 4, 0], [1, 6, 7]], "int32")
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def garden():
    """official.nlp.modeling."""
    from official.nlp import modeling

    return modeling


@pytest.fixture(scope="module")
def make(garden):
    """Call it for a model of Model Garden, all of whose variables are random. Built once: a second call draws them anew."""
    import tensorflow as tf

    # Rewriting Model Garden's code by AutoGraph would take most of the time, and changes nothing here.
    build = functools.cache(tf.autograph.experimental.do_not_convert(_build))

    def make(*arguments, seed=1, **options):
        model = build(garden, *arguments, **options)
        randomise(model.weights, seed)
        return model

    return make


def _build(garden, kind="BertEncoderV2", config=CONFIG, encoder="BertEncoderV2", heads=(("next_sentence", 2),), **options):
    if kind in ("BertEncoderV2", "BertEncoder"):
        return _encoder(garden, kind, config, **options)
    activation = _activation(config.hidden_act)
    if kind == "BertPretrainer":
        inner = _encoder(garden, "BertEncoder", config, dict_outputs=False)
        return garden.models.BertPretrainer(inner, 2, POSITIONS.shape[1], activation=activation)
    inner = _encoder(garden, encoder, config)
    if kind != "BertPretrainerV2":
        return getattr(garden.models, kind)(inner, **options)
    heads = [garden.layers.ClassificationHead(config.hidden_size, classes, name=name) for name, classes in heads]
    model = garden.models.BertPretrainerV2(inner, mlm_activation=activation, classification_heads=heads, **options)
    model(model.inputs)
    return model


def _activation(name):
    from official.modeling import tf_utils

    return tf_utils.get_activation({"gelu_tanh": "gelu"}.get(name, name))


def _encoder(garden, kind, config, **options):
    if kind == "BertEncoder":
        options = {"dict_outputs": True} | options
    encoder = getattr(garden.networks, kind)(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        inner_dim=config.intermediate_size,
        inner_activation=_activation(config.hidden_act),
        **options,
    )
    encoder(encoder.inputs)
    return encoder


def randomise(weights, seed=1):
    """Kernels and tables of 0.8 by the square root of their width, as a real BERT's are; biases and norms far from 0 and 1."""
    generator = np.random.default_rng(seed)
    for weight in weights:
        name = weight.name.split(":")[0].split("/")[-1]
        mean, deviation = {"gamma": (1, 0.2), "beta": (0, 0.2), "bias": (0, 0.2)}.get(name, (0, 0.8 / np.prod(weight.shape) ** 0.25))
        weight.assign(deviation * generator.standard_normal(weight.shape, "float32") + mean)


def batch(config=CONFIG, length=12):
    """Three rows, two of them padded. Returns: our features, Model Garden's, and the mask."""
    generator = np.random.default_rng(0)
    mask = (np.arange(length) < np.array([[length], [length - 4], [8]])).astype("int32")
    ids = generator.integers(1, config.vocab_size, mask.shape).astype("int32") * mask
    types = (np.arange(length) >= 4).astype("int32") * mask
    ours = {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
    return ours, {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}, mask


def save(directory, config=CONFIG, **items):
    """Save as Model Garden does."""
    import tensorflow as tf

    directory.mkdir(exist_ok=True)
    (directory / "bert_config.json").write_text(json.dumps(config.to_google()))
    tf.train.Checkpoint(**items).save(directory / "bert_model.ckpt")
    return directory


@functools.cache
def build(kind=BertEncoder, config=CONFIG, **options):
    """One of our networks. Built once: whoever takes it draws or loads its weights anew."""
    return BertEncoder(config) if kind is BertEncoder else kind(BertEncoder(config), **options)


def load(directory, kind=BertEncoder, **options):
    checkpoint = model_garden.open_checkpoint(directory)
    network = build(kind, checkpoint.config, **options)
    for weight in network.weights:
        weight.assign(np.full(weight.shape, 9, "float32"))
    return network, load_weights(network, checkpoint), checkpoint


def difference(ours, theirs, mask=None):
    gap = np.abs(np.asarray(ours) - np.asarray(theirs))
    return float(gap.max() if mask is None else gap[mask == 1].max())


def check_encoder(ours, theirs, config=CONFIG, length=12):
    our_batch, their_batch, mask = batch(config, length)
    our_outputs, their_outputs = ours(our_batch), theirs(their_batch)
    assert np.std(their_outputs["sequence_output"]) > 0.3  # outputs worth comparing
    assert difference(our_outputs["sequence_output"], their_outputs["sequence_output"], mask) <= TOLERANCE
    assert difference(our_outputs["pooled_output"], their_outputs["pooled_output"]) <= TOLERANCE


def check_pretrainer(ours, theirs, config=CONFIG):
    our_batch, their_batch, _ = batch(config)
    their_outputs = theirs(their_batch | {"masked_lm_positions": POSITIONS})
    our_outputs = ours(our_batch | {"masked_positions": POSITIONS})
    our_mlm = our_outputs["mlm_logits"] if isinstance(our_outputs, dict) else our_outputs
    assert difference(our_mlm, their_outputs["mlm_logits" if "mlm_logits" in their_outputs else "masked_lm"]) <= TOLERANCE
    if isinstance(our_outputs, dict):
        theirs_nsp = their_outputs["next_sentence" if "next_sentence" in their_outputs else "classification"]
        assert difference(our_outputs["nsp_logits"], theirs_nsp) <= TOLERANCE


# Reading


@pytest.mark.slow
def test_an_encoder_of_base_size_goes_there_and_back(make, tmp_path):
    check_there_and_back(make, tmp_path, BASE, length=32)


@pytest.mark.slow
def test_bert_base_goes_there_and_back(make, tmp_path):
    check_there_and_back(make, tmp_path, BertConfig(), length=128)


def check_there_and_back(make, tmp_path, config, length):
    theirs = make(config=config)
    ours, report, checkpoint = load(save(tmp_path / "theirs", config, encoder=theirs))
    assert (report.initialised, report.ignored, checkpoint.network) == ((), (), "BertEncoder")
    assert len(report.taken) == 5 + 12 * 16 + 2
    check_encoder(ours, theirs, config, length)
    model_garden.write(tmp_path / "ours", ours)
    randomise(theirs.weights, seed=2)
    restore(tmp_path / "ours", encoder=theirs)
    check_encoder(ours, theirs, config, length)


@pytest.mark.parametrize("hidden_act", ["gelu_tanh", "relu"])
def test_the_activation_is_the_one_that_the_configuration_says(make, tmp_path, hidden_act):
    config = dataclasses.replace(CONFIG, hidden_act=hidden_act)
    theirs = make(config=config)
    check_encoder(load(save(tmp_path, config, encoder=theirs))[0], theirs, config)


@pytest.mark.parametrize("kind", ["BertEncoderV2", "BertEncoder"])
def test_an_encoder_is_found_under_any_name(make, tmp_path, kind):
    theirs = make(kind)
    for item in ("encoder", "model", "root", "backbone"):
        ours, report, checkpoint = load(save(tmp_path / item, **{item: theirs}))
        assert (report.initialised, report.ignored, checkpoint.network) == ((), (), "BertEncoder")
        check_encoder(ours, theirs)


def forerunner(encoder, **pooler):
    """Objects with the attributes that the encoder of 2020 left in a checkpoint: its layers' places, and nothing else."""
    import tensorflow as tf

    def tracked(**children):
        return tf.train.Checkpoint(**children)

    layers = [encoder._embedding_layer, encoder._position_embedding_layer, encoder._type_embedding_layer, encoder._embedding_norm_layer]
    for block in encoder._transformer_layers:
        attention = block._attention_layer
        layers.append(
            tracked(
                _attention_layer=tracked(
                    _query_dense=attention._query_dense, _key_dense=attention._key_dense, _value_dense=attention._value_dense
                ),
                _attention_output_dense=attention._output_dense,
                **{
                    name: getattr(block, name)
                    for name in ("_attention_layer_norm", "_intermediate_dense", "_output_dense", "_output_layer_norm")
                },
            )
        )
    layers += pooler.values()
    return tracked(**{f"layer_with_weights-{index}": layer for index, layer in enumerate(layers)})


def test_the_encoder_of_2020_is_read_by_the_order_of_its_layers(make, tmp_path):
    theirs = make()
    ours, report, checkpoint = load(save(tmp_path, model=forerunner(theirs, pooler=theirs._pooler_layer)))
    assert (report.initialised, report.ignored) == ((), ())
    assert "model/layer_with_weights-4/_attention_output_dense/kernel/.ATTRIBUTES/VARIABLE_VALUE" in checkpoint.tensors._names.values()
    check_encoder(ours, theirs)


def test_the_pooler_of_2020_is_the_next_sentence_heads(make, tmp_path):
    theirs = make()
    items = {"encoder": forerunner(theirs), "next_sentence.pooler_dense": theirs._pooler_layer}
    ours, report, _ = load(save(tmp_path, **items))
    assert (report.initialised, report.ignored) == ((), ())
    check_encoder(ours, theirs)


UNUSED_POOLER = ("unused_pooler/bias", "unused_pooler/kernel")  # the encoder's: pretraining trains that of the head


@pytest.mark.parametrize("encoder", ["BertEncoderV2", "BertEncoder"])
def test_a_pretrainer_gives_the_same_scores(make, tmp_path, encoder):
    theirs = make("BertPretrainerV2", encoder=encoder)
    for name, items in (("model", {}), ("both", theirs.checkpoint_items)):  # "both" as its trainer and its converter save it
        ours, report, checkpoint = load(save(tmp_path / name, model=theirs, **items), Pretrainer)
        assert (checkpoint.network, report.initialised, report.ignored) == ("Pretrainer", (), UNUSED_POOLER)
        check_pretrainer(ours, theirs)


def test_the_older_pretrainer_gives_the_same_scores(make, tmp_path):
    theirs = make("BertPretrainer")
    ours, report, checkpoint = load(save(tmp_path, model=theirs), Pretrainer)
    assert (checkpoint.network, report.initialised, report.ignored) == ("Pretrainer", (), ())
    our_batch, their_batch, _ = batch()
    outputs = theirs([*their_batch.values(), POSITIONS])
    our_outputs = ours(our_batch | {"masked_positions": POSITIONS})
    assert difference(our_outputs["mlm_logits"], outputs["masked_lm"]) <= TOLERANCE
    assert difference(our_outputs["nsp_logits"], outputs["classification"]) <= TOLERANCE


def test_checkpoint_items_alone_hold_a_masked_lm_and_the_trained_pooler(make, tmp_path):
    theirs = make("BertPretrainerV2", encoder="BertEncoderV2")
    directory = save(tmp_path, **theirs.checkpoint_items)
    ours, _, checkpoint = load(directory, MaskedLM)
    assert checkpoint.network == "MaskedLM"
    check_pretrainer(ours, theirs)
    pooler = load(directory)[0].get_layer("pooler").dense
    assert np.array_equal(pooler.kernel, theirs.classification_heads[0].dense.kernel)


def test_without_a_next_sentence_head_the_pooler_is_the_encoders(make, tmp_path):
    theirs = make("BertPretrainerV2", encoder="BertEncoderV2", heads=())
    directory = save(tmp_path, model=theirs)
    ours, report, checkpoint = load(directory, MaskedLM)
    assert (checkpoint.network, report.ignored) == ("MaskedLM", ())
    check_pretrainer(ours, theirs)
    check_encoder(load(directory)[0], theirs.encoder_network)


def test_the_next_sentence_head_is_told_from_others(make, tmp_path):
    theirs = make("BertPretrainerV2", heads=(("tone", 2), ("next_sentence", 2), ("topic", 5)))
    ours, _, _ = load(save(tmp_path, model=theirs), Pretrainer)
    check_pretrainer(ours, theirs)


@pytest.mark.parametrize(("encoder", "use_encoder_pooler"), [("BertEncoderV2", True), ("BertEncoder", True), ("BertEncoder", False)])
def test_a_classifier_gives_the_same_scores(make, tmp_path, encoder, use_encoder_pooler):
    options = {} if use_encoder_pooler else {"use_encoder_pooler": False}
    theirs = make("BertClassifier", encoder=encoder, num_classes=3, **options)
    ours, report, checkpoint = load(save(tmp_path, model=theirs), SequenceClassifier, num_labels=3)
    assert (checkpoint.network, checkpoint.labels) == ("SequenceClassifier", ["LABEL_0", "LABEL_1", "LABEL_2"])
    assert report.initialised == ()
    our_batch, their_batch, _ = batch()
    assert difference(ours(our_batch), theirs(their_batch)) <= TOLERANCE


def test_a_token_classifier_gives_the_same_scores(make, tmp_path):
    theirs = make("BertTokenClassifier", encoder="BertEncoder", num_classes=3)
    ours, _, checkpoint = load(save(tmp_path, model=theirs), TokenClassifier, num_labels=3)
    assert (checkpoint.network, len(checkpoint.labels)) == ("TokenClassifier", 3)
    our_batch, their_batch, mask = batch()
    assert difference(ours(our_batch), theirs(their_batch)["logits"], mask) <= TOLERANCE


def test_a_span_labeler_gives_the_same_scores(make, tmp_path):
    theirs = make("BertSpanLabeler", encoder="BertEncoderV2")
    ours, _, checkpoint = load(save(tmp_path, model=theirs), SpanClassifier)
    assert checkpoint.network == "SpanClassifier"
    our_batch, their_batch, mask = batch()
    for name, logits in zip(("start_logits", "end_logits"), theirs(their_batch), strict=True):
        assert difference(ours(our_batch)[name], logits, mask) <= TOLERANCE


@pytest.mark.parametrize("optimizer", ["legacy", "Adam", "compiled"])
def test_what_training_leaves_is_the_optimizers(make, tmp_path, optimizer):
    import tensorflow as tf
    import tf_keras

    theirs = make("BertClassifier", num_classes=3, name="trained")  # one of its own: a compiled model keeps its optimizer
    adam = tf_keras.optimizers.legacy.Adam() if optimizer == "legacy" else tf_keras.optimizers.Adam()
    _, their_batch, _ = batch()
    if optimizer == "compiled":
        theirs.compile(adam, tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], run_eagerly=True)
        theirs.train_on_batch(their_batch, np.array([0, 1, 2]))
        items = {}
    else:
        adam.apply_gradients((tf.ones_like(weight), weight) for weight in theirs.trainable_weights)
        items = {"optimizer": adam}
    directory = save(tmp_path, model=theirs, global_step=tf.Variable(1, dtype=tf.int64), **items)
    ours, report, _ = load(directory, SequenceClassifier, num_labels=3)
    assert len(report.optimizer) >= 2 * len(theirs.trainable_weights)
    assert all("metrics" in name for name in report.ignored)
    assert difference(ours(batch()[0]), theirs(their_batch)) <= TOLERANCE


def test_the_vocabulary_is_found(make, tmp_path):
    save(tmp_path, encoder=make())
    assert model_garden.open_checkpoint(tmp_path).make_tokenizer() is None
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nFilm\n")
    assert model_garden.open_checkpoint(tmp_path).make_tokenizer().lower_case is False


# Errors of reading


def test_objects_without_an_encoder_are_refused_with_their_keys(tmp_path):
    import tensorflow as tf

    save(tmp_path, head=tf.train.Checkpoint(kernel=tf.Variable([1.0])))
    expected = r"bert_model\.ckpt-1 holds no BERT encoder .*BertEncoderV2 or BertEncoder.*Its keys are head/kernel, save_counter$"
    with pytest.raises(ValueError, match=expected):
        model_garden.open_checkpoint(tmp_path)


def test_two_encoders_are_refused(make, tmp_path):
    save(tmp_path, query=make(), document=make("BertEncoder"))
    with pytest.raises(ValueError, match=r"holds 2 BERT encoders.*Its keys are document/.* and \d+ more"):
        model_garden.open_checkpoint(tmp_path)


def test_a_projected_embedding_is_refused(make, tmp_path):
    save(tmp_path, encoder=make(embedding_width=8))
    with pytest.raises(ValueError, match=r"word embedding is projected to the hidden size \(embedding_width\)"):
        model_garden.open_checkpoint(tmp_path)


def test_another_number_of_heads_is_refused(make, tmp_path):
    save(tmp_path, dataclasses.replace(CONFIG, num_attention_heads=6), encoder=make())
    with pytest.raises(ValueError, match=r"another size.*_query_dense/kernel \[24, 4, 6\] for .*num_attention_heads=6"):
        model_garden.open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 1}, r"another size.*no place for encoder/_transformer_layers/1/"),
        ({"num_hidden_layers": 3}, r"lacks 16 tensors.*encoder/_transformer_layers/2/"),
        ({"vocab_size": 41}, r"another size.*_embedding_layer/embeddings \[40, 24\] for embeddings/word \[41, 24\]"),
        ({"intermediate_size": 31}, r"another size.*_intermediate_dense/kernel \[24, 32\]"),
    ],
)
def test_a_checkpoint_of_another_size_is_refused(make, tmp_path, change, message):
    save(tmp_path, dataclasses.replace(CONFIG, **change), encoder=make())
    with pytest.raises(ValueError, match=message):
        load(tmp_path)


def test_a_masked_lm_that_decodes_by_another_table_is_refused(make, garden, tmp_path):
    import tensorflow as tf

    table = tf.Variable(np.ones((40, 24), "float32"))
    theirs = make("BertPretrainerV2", heads=(), customized_masked_lm=garden.layers.MaskedLM(table))
    save(tmp_path, model=theirs)
    with pytest.raises(ValueError, match=r"masked_lm/embedding_table is not the word embedding, model/encoder_network/_embedding_layer"):
        model_garden.open_checkpoint(tmp_path)


def test_a_cut_file_is_named(make, tmp_path):
    save(tmp_path, encoder=make())
    path = next(tmp_path.glob("*.data-*"))
    data = path.read_bytes()
    path.write_bytes(data[:50])
    with pytest.raises(ValueError, match=r"bert_model\.ckpt-1: its object graph cannot be read; the \.data file is cut off"):
        model_garden.open_checkpoint(tmp_path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"cut off"):
        load(tmp_path)


def test_a_missing_configuration_is_said(make, tmp_path):
    save(tmp_path, encoder=make())
    (tmp_path / "bert_config.json").unlink()
    with pytest.raises(ValueError, match=r"no bert_config\.json"):
        model_garden.open_checkpoint(tmp_path)


# Writing


def network(kind, config=CONFIG):
    made = build(kind, config, **({"num_labels": 3} if kind in (SequenceClassifier, TokenClassifier) else {}))
    randomise(made.weights)
    return made


def restore(directory, **items):
    """Restore as Model Garden does, and insist that every one of its variables was there."""
    import tensorflow as tf

    tf.train.Checkpoint(**items).restore(str(directory / "bert_model.ckpt")).assert_existing_objects_matched()


@pytest.mark.parametrize("kind", [BertEncoder, MaskedLM, Pretrainer, SequenceClassifier, TokenClassifier, SpanClassifier])
def test_what_is_written_is_read_again_bit_for_bit(tmp_path, monkeypatch, kind):
    monkeypatch.setitem(sys.modules, "official", None)  # importing it would raise: no Model Garden is needed
    written = network(kind)
    model_garden.write(tmp_path / "out", written, labels=["a", "b", "c"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "bert_config.json",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
    ]
    checkpoint = model_garden.open_checkpoint(tmp_path / "out")
    assert (checkpoint.config, checkpoint.network) == (CONFIG, kind.__name__)
    expected = written.get_weights()
    for weight in written.weights:
        weight.assign(np.zeros(weight.shape, "float32"))
    report = load_weights(written, checkpoint)
    assert report.initialised == () and all("pooler" in name for name in report.ignored)
    assert all(np.array_equal(mine, again) for mine, again in zip(expected, written.get_weights(), strict=True))


@pytest.mark.parametrize("kind", ["BertEncoderV2", "BertEncoder"])
def test_model_garden_restores_an_encoder(make, tmp_path, kind):
    ours = network(BertEncoder)
    model_garden.write(tmp_path / "out", ours)
    for item in ("encoder", "model"):
        theirs = make(kind, seed=2)
        restore(tmp_path / "out", **{item: theirs})
        check_encoder(ours, theirs)


@pytest.mark.parametrize("kind", [MaskedLM, Pretrainer, SequenceClassifier, TokenClassifier, SpanClassifier])
def test_model_garden_restores_the_encoder_of_a_network(make, tmp_path, kind):
    ours, theirs = network(kind), make(seed=2)
    model_garden.write(tmp_path / "out", ours)
    restore(tmp_path / "out", encoder=theirs)
    check_encoder(ours.encoder, theirs)


@pytest.mark.parametrize(("kind", "encoder"), [(MaskedLM, "BertEncoderV2"), (Pretrainer, "BertEncoderV2"), (Pretrainer, "BertEncoder")])
def test_model_garden_restores_a_pretrainer(make, tmp_path, kind, encoder):
    ours = network(kind)
    model_garden.write(tmp_path / "out", ours)
    for items in ("model", "checkpoint_items"):
        theirs = make("BertPretrainerV2", encoder=encoder, seed=2, **({"heads": ()} if kind is MaskedLM else {}))
        restore(tmp_path / "out", **({"model": theirs} if items == "model" else theirs.checkpoint_items))
        if kind is Pretrainer and items == "checkpoint_items":  # they leave the scores' layer out
            theirs.classification_heads[0].out_proj.set_weights(ours.get_layer("next_sentence").get_weights())
        check_pretrainer(ours, theirs)


def test_model_garden_restores_a_pretrainer_before_it_is_built(garden, tmp_path):
    import tensorflow as tf

    @tf.autograph.experimental.do_not_convert
    def restore_then_build():
        head = garden.layers.ClassificationHead(CONFIG.hidden_size, 2, name="next_sentence")
        inner = _encoder(garden, "BertEncoderV2", CONFIG)
        theirs = garden.models.BertPretrainerV2(inner, mlm_activation=_activation("gelu_tanh"), classification_heads=[head])
        status = tf.train.Checkpoint(model=theirs).restore(str(tmp_path / "out" / "bert_model.ckpt"))
        theirs(theirs.inputs)
        status.assert_existing_objects_matched()
        return theirs

    ours = network(Pretrainer)
    model_garden.write(tmp_path / "out", ours)
    check_pretrainer(ours, restore_then_build())


@pytest.mark.parametrize(
    ("kind", "encoder"),
    [
        (SequenceClassifier, "BertEncoderV2"),
        (SequenceClassifier, "BertEncoder"),
        (TokenClassifier, "BertEncoder"),
        (SpanClassifier, "BertEncoderV2"),
    ],
)
def test_model_garden_restores_a_classifier(make, tmp_path, kind, encoder):
    ours = network(kind)
    their_kind = model_garden.NETWORKS[kind.__name__].removeprefix("models.")
    theirs = make(their_kind, encoder=encoder, seed=2, **({} if kind is SpanClassifier else {"num_classes": 3}))
    model_garden.write(tmp_path / "out", ours)
    restore(tmp_path / "out", model=theirs)
    our_batch, their_batch, mask = batch()
    our_outputs, their_outputs = ours(our_batch), theirs(their_batch)
    if kind is SequenceClassifier:
        assert difference(our_outputs, their_outputs) <= TOLERANCE
    elif kind is TokenClassifier:
        assert difference(our_outputs, their_outputs["logits"], mask) <= TOLERANCE
    else:
        assert (
            max(difference(our_outputs[name], logits, mask) for name, logits in zip(our_outputs, their_outputs, strict=True)) <= TOLERANCE
        )


def test_the_variables_themselves_are_written_not_copies():
    encoder = build()
    root = model_garden._objects(encoder, model_garden.rows(CONFIG))
    written = {id(variable) for variable in _variables(root)}
    copied = [weight.path for weight in encoder.weights if id(weight.value) not in written]
    assert all("/attention/qkv/" in path or path.endswith("attention/output/kernel") for path in copied)
    assert len(copied) == 3 * CONFIG.num_hidden_layers


def _variables(node):
    import tensorflow as tf

    for child in node._trackable_children().values():
        yield from [child] if isinstance(child, tf.Variable) else _variables(child)


def test_bfloat16_weights_are_written_as_float32(make, tmp_path):
    encoder = BertEncoder(CONFIG, dtype="bfloat16")
    model_garden.write(tmp_path / "out", encoder)
    theirs = make()
    restore(tmp_path / "out", encoder=theirs)
    table = next(weight for weight in encoder.weights if weight.path == "embeddings/word")
    assert np.array_equal(theirs.get_embedding_table(), np.asarray(table.value).astype("float32"))


def test_the_vocabulary_is_written(tmp_path, tiny_config, tiny_tokenizer):
    model_garden.write(tmp_path / "out", BertEncoder(tiny_config), tokenizer=tiny_tokenizer)
    assert model_garden.open_checkpoint(tmp_path / "out").make_tokenizer().vocabulary == tiny_tokenizer.vocabulary


# Errors of writing


def test_a_network_that_model_garden_lacks_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Model Garden's BERT has no TextEmbedder; it has BertEncoder, "):
        model_garden.write(tmp_path / "out", build(TextEmbedder))
    with pytest.raises(ValueError, match=r"pooling='mean': Model Garden's BertClassifier reads the pooler's output"):
        model_garden.write(tmp_path / "out", build(SequenceClassifier, num_labels=3, pooling="mean"))


def test_another_tokenizer_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a str cannot be written for Model Garden's BERT; only a BertTokenizer can"):
        model_garden.write(tmp_path / "out", build(), tokenizer="vocab.txt")


def test_a_setting_that_the_configuration_cannot_say_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="hidden_act='gelu'"):
        model_garden.write(tmp_path / "out", BertEncoder(dataclasses.replace(CONFIG, hidden_act="gelu")))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_other_things_is_not_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds notes\.txt"):
        model_garden.write(tmp_path, build())


def test_a_directory_of_this_format_is_replaced(tmp_path, tiny_config, tiny_tokenizer):
    model_garden.write(tmp_path / "out", BertEncoder(tiny_config), tokenizer=tiny_tokenizer)
    model_garden.write(tmp_path / "out", network(BertEncoder))
    assert not (tmp_path / "out" / "vocab.txt").exists()
    assert model_garden.open_checkpoint(tmp_path / "out").config == CONFIG


def test_settings_that_the_format_cannot_keep_are_named(tmp_path, tiny_config, tiny_tokenizer):
    tokenizer = BertTokenizer(tiny_tokenizer.vocabulary, lower_case=False, max_word_characters=100)
    lost = r"lower_case=False \(read again: True\), max_word_characters=100 \(read again: 200\) must be given"
    with pytest.warns(UserWarning, match=lost):
        model_garden.write(tmp_path / "out", BertEncoder(tiny_config), tokenizer=tokenizer)
