"""From and to Model Garden's TensorFlow 2 directories: bert_config.json, NAME.index and NAME.data-*, vocab.txt.

Such a checkpoint holds objects: a graph whose edges are the attributes of the model that was saved, and whose leaves are
the variables. A variable is kept once, under the key of one of the routes that lead to it; which one differs from model to
model and from release to release. So no key is spelt here: the routes are followed.
"""

import os
import re
import warnings

import numpy as np

from keras_bert.checkpoints.checkpoint import Checkpoint
from keras_bert.checkpoints.google_tf1 import CONFIG, VOCABULARY, find_tokenizer, read_config
from keras_bert.checkpoints.rows import SAME, Row, dense_rows, heads_in, heads_out, norm_rows
from keras_bert.checkpoints.tensorflow_checkpoint import OBJECT_GRAPH, TensorFlowCheckpoint, find_prefix
from keras_bert.checkpoints.weights import with_rows
from keras_bert.files import replaced_directory

FORMAT = "model_garden"
NAME = "bert_model.ckpt"
FILES = (CONFIG, VOCABULARY, f"{NAME}.index", f"{NAME}.data-00000-of-00001")

# keras_bert's networks -> the models of official.nlp.modeling whose objects `write` writes.
NETWORKS = {
    "BertEncoder": "networks.BertEncoderV2",
    "MaskedLM": "models.BertPretrainerV2",
    "Pretrainer": "models.BertPretrainerV2",
    "SequenceClassifier": "models.BertClassifier",
    "TokenClassifier": "models.BertTokenClassifier",
    "SpanClassifier": "models.BertSpanLabeler",
}

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_DENSE, _NORM, _TABLE = ("kernel", "bias"), ("gamma", "beta"), ("embeddings",)
# Attribute of an encoder -> its place among the layers of a functional model, and its variables.
_EMBEDDINGS = {
    "_embedding_layer": ("layer_with_weights-0", _TABLE),
    "_position_embedding_layer": ("layer_with_weights-1", _TABLE),
    "_type_embedding_layer": ("layer_with_weights-2", _TABLE),
    "_embedding_norm_layer": ("layer_with_weights-3", _NORM),
}
_FIRST_BLOCK = 4  # the blocks follow among those layers, and the pooler follows them
# Attributes of a block -> its variables.
_BLOCK = {
    "_attention_layer/_query_dense": _DENSE,
    "_attention_layer/_key_dense": _DENSE,
    "_attention_layer/_value_dense": _DENSE,
    "_attention_layer/_output_dense": _DENSE,
    "_attention_layer_norm": _NORM,
    "_intermediate_dense": _DENSE,
    "_output_dense": _DENSE,
    "_output_layer_norm": _NORM,
}
_ONCE = {"_attention_layer/_output_dense": "_attention_output_dense"}  # as files of 2020 say it
_NEXT_SENTENCE_POOLER = "next_sentence.pooler_dense"  # an item of BertPretrainerV2.checkpoint_items
_UNUSED_POOLER = "unused_pooler"  # the encoder's, where a head has its own

_OPTIMIZER = re.compile(r"/\.OPTIMIZER_SLOT/|(^|/)_?optimizer/|^(save_counter|global_step|step|iterations?)/\.ATTRIBUTES/")
_KNOWN_ELSEWHERE = re.compile(r"classif|pooler|(^|/)metrics/")  # other heads; what a compiled model keeps


def open_checkpoint(directory):
    """Open a directory with an object-based checkpoint of Model Garden's BERT.

    Read are BertEncoderV2, the functional BertEncoder and its forerunner of 2020, under any attribute of any object: saved as
    tf.train.Checkpoint(encoder=...), (model=...), or within BertPretrainerV2, BertPretrainer, BertClassifier,
    BertTokenClassifier or BertSpanLabeler. Where a ClassificationHead has a pooling layer of its own, as in pretraining, that is
    the pooler: it was trained, and the encoder's own was not.

    Args: directory: path.
    Returns: Checkpoint. Its network is told by the heads that are there, or None where they leave it open.
    Raises: ValueError naming the file that is missing or cannot be used.
    """
    config = read_config(directory)
    prefix = find_prefix(directory)
    found = TensorFlowCheckpoint(prefix)  # tells of a damaged index
    names, network = _ObjectGraph(prefix).names_and_network(found)
    tensors = TensorFlowCheckpoint(prefix, rename=lambda key: names.get(key, key))
    _check_heads(config, tensors)
    labels = None
    if "classifier/kernel" in tensors.shapes:  # Model Garden keeps their names nowhere
        labels = [f"LABEL_{index}" for index in range(tensors.shapes["classifier/kernel"][-1])]
    return Checkpoint(
        path=directory,
        format=FORMAT,
        config=config,
        tensors=tensors,
        rows=tuple(rows(config)),
        network=network,
        labels=labels,
        tokenizer=find_tokenizer(directory),
        is_expected=lambda name: bool(_KNOWN_ELSEWHERE.search(name)),
        is_of_encoder=lambda name: name.startswith("encoder/") and not name.endswith(_VALUE),
        is_optimizer=lambda name: bool(_OPTIMIZER.search(name)),
    )


def rows(config):
    """The variables of Model Garden's BERT, by the attributes of BertEncoderV2; heads by ours."""
    apart, joined = heads_out(config.num_attention_heads), heads_in(config.num_attention_heads)
    result = [
        Row("embeddings/word", ("encoder/_embedding_layer/embeddings",)),
        Row("embeddings/position", ("encoder/_position_embedding_layer/embeddings",)),
        Row("embeddings/token_type", ("encoder/_type_embedding_layer/embeddings",)),
        *norm_rows("embeddings/norm", "encoder/_embedding_norm_layer/"),
    ]
    for index in range(config.num_hidden_layers):
        ours, theirs = f"layer_{index}", f"encoder/_transformer_layers/{index}"
        projections = [f"{theirs}/_attention_layer/_{name}_dense" for name in ("query", "key", "value")]
        result += [
            Row(f"{ours}/attention/qkv/kernel", tuple(f"{name}/kernel" for name in projections), apart),
            Row(f"{ours}/attention/qkv/bias", tuple(f"{name}/bias" for name in projections), apart),
            *dense_rows(f"{ours}/attention/output", f"{theirs}/_attention_layer/_output_dense/", transform=joined),
            *norm_rows(f"{ours}/attention_norm", f"{theirs}/_attention_layer_norm/"),
            *dense_rows(f"{ours}/intermediate", f"{theirs}/_intermediate_dense/"),
            *dense_rows(f"{ours}/output", f"{theirs}/_output_dense/"),
            *norm_rows(f"{ours}/output_norm", f"{theirs}/_output_layer_norm/"),
        ]
    return [
        *result,
        *dense_rows("pooler/dense", "pooler/"),
        *dense_rows("masked_lm/dense", "masked_lm/dense/"),
        *norm_rows("masked_lm/norm", "masked_lm/layer_norm/"),
        Row("masked_lm/bias", ("masked_lm/bias",)),
        *dense_rows("next_sentence", "next_sentence/"),
        *dense_rows("classifier", "classifier/"),
        *dense_rows("span", "span/"),
    ]


def write(directory, network, *, labels=None, tokenizer=None):
    """Write what Model Garden restores, with the very outputs.

    bert_model.ckpt holds the encoder and the model that contains it, both: tf.train.Checkpoint(encoder=BertEncoderV2(...)),
    (model=...) of the class in NETWORKS, and (**checkpoint_items) of that model restore from it; so does (model=BertEncoderV2(...))
    where `network` is a BertEncoder. BertPretrainerV2's next-sentence head is a ClassificationHead with inner_dim=hidden_size,
    BertClassifier's has none (use_encoder_pooler=True). An encoder without a pooler leaves Model Garden's as it is.

    Args:
        directory: path; what it held before is kept until the new model is whole.
        network: one of NETWORKS.
        labels: label names of a classifier. Not written: this format has no place for them.
        tokenizer: BertTokenizer, or None. Only its vocabulary is written; lower_case is told by it, as for google-research's files.
    Raises: ValueError where Model Garden has no such network or tokenizer, bert_config.json no word for a setting, or the directory
        holds other things.
    Warns: of settings that the format has no place for.
    """
    kind = type(network).__name__
    if kind not in NETWORKS:
        raise ValueError(f"Model Garden's BERT has no {kind}; it has {', '.join(NETWORKS)}")
    if getattr(network, "pooling", "pooler") != "pooler":
        raise ValueError(f"pooling={network.pooling!r}: Model Garden's BertClassifier reads the pooler's output")
    if tokenizer is not None and type(tokenizer).__name__ != "BertTokenizer":
        raise ValueError(f"a {type(tokenizer).__name__} cannot be written for Model Garden's BERT; only a BertTokenizer can")
    config, settings = getattr(network, "encoder", network).config, network.settings() if hasattr(network, "settings") else {}
    lost = [f"{name}={value!r}" for name in ("problem_type", "activation") if (value := settings.get(name)) is not None]
    if lost:
        warnings.warn(f"Model Garden's format cannot say {', '.join(lost)}; give it where the model is read again", stacklevel=3)
    with replaced_directory(directory, FILES) as building:
        config.to_json_file(os.path.join(building, CONFIG))
        if tokenizer is not None:
            tokenizer.save_asset(os.path.join(building, VOCABULARY))
            _warn_of_lost_settings(tokenizer, find_tokenizer(building)())
        root = _objects(network, rows(config))
        root.save_counter  # noqa: B018 - creates it: tf.train.Checkpoint.restore looks for one
        root.write(os.path.join(building, NAME))


def _warn_of_lost_settings(tokenizer, read_again):
    theirs = read_again.settings()
    lost = {name: value for name, value in tokenizer.settings().items() if theirs[name] != value}
    if lost:
        said = ", ".join(f"{name}={value!r} (read again: {theirs[name]!r})" for name, value in lost.items())
        warnings.warn(
            f"Model Garden's format keeps the vocabulary alone; the tokenizer's {said} must be given where it is used", stacklevel=4
        )


class _ObjectGraph:
    """The objects of a checkpoint: `children` and `keys`, by node; 0 is the object that was saved."""

    def __init__(self, prefix):
        import tensorflow as tf
        from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

        self.path = prefix
        try:
            graph = TrackableObjectGraph.FromString(tf.train.load_checkpoint(prefix).get_tensor(OBJECT_GRAPH))
        except Exception as error:  # TensorFlow raises many kinds
            raise ValueError(f"{prefix}: its object graph cannot be read; the .data file is cut off or of another checkpoint") from error
        self.children = [{child.local_name: child.node_id for child in node.children} for node in graph.nodes]
        self.keys = [
            next((value.checkpoint_key for value in node.attributes if value.name == "VARIABLE_VALUE"), None) for node in graph.nodes
        ]
        self.full_names = {value.checkpoint_key: value.full_name for node in graph.nodes for value in node.attributes}

    def follow(self, node, *edges):
        """Returns: the node where the edges lead, or None."""
        for edge in edges:
            node = None if node is None else self.children[node].get(edge)
        return node

    def targets(self, edge):
        """Returns: list of the nodes to which an edge of this name leads, from anywhere; each once."""
        return list(dict.fromkeys(children[edge] for children in self.children if edge in children))

    def names_and_network(self, tensors):
        """Returns: dict of key -> name in `rows`, and the network's name or None."""
        encoder = self._encoder()
        if self.follow(encoder, "_embedding_projection", "kernel") is not None:
            raise ValueError(f"{self.path}: its word embedding is projected to the hidden size (embedding_width); BERT's is not")
        nodes = {}  # name -> node of a variable
        pooler = self._name_encoder(encoder, nodes)
        network, head_pooler = self._name_heads(nodes, tensors)
        if head_pooler is not None:
            self._name(nodes, _UNUSED_POOLER, pooler, _DENSE)
            pooler = head_pooler
        self._name(nodes, "pooler", pooler, _DENSE)
        return {self.keys[node]: name for name, node in nodes.items()}, network

    def _name(self, nodes, name, layer, leaves):
        """Note the variables of a layer."""
        for leaf in leaves:
            node = self.follow(layer, leaf)
            if node is not None and self.keys[node] is not None:
                nodes[f"{name}/{leaf}"] = node

    def _encoder(self):
        """Returns: node of the encoder. Raises: ValueError unless there is one."""
        found = [node for node in range(len(self.children)) if self._is_encoder(node)]
        if len(found) == 1:
            return found[0]
        keys = sorted(key.removesuffix(_VALUE) for key in self.keys if key)
        shown = ", ".join(keys[:5]) + (f", and {len(keys) - 5} more" if len(keys) > 5 else "")
        raise ValueError(
            f"{self.path} holds {len(found) or 'no'} BERT encoder{'s' if found else ''} among its objects: expected one "
            "official.nlp.modeling.networks.BertEncoderV2 or BertEncoder, saved by tf.train.Checkpoint as encoder=, as model= or in "
            f"a model that contains it. Its keys are {shown or 'none'}"
        )

    def _is_encoder(self, node):
        word = self.follow(self._layer(node, "_embedding_layer", "layer_with_weights-0"), "embeddings")
        return word is not None and bool(self._blocks(node))

    def _layer(self, node, attribute, place):
        """Returns: node of an encoder's layer by its attribute, or else by its place among a functional model's layers, or None."""
        found = self.follow(node, attribute)
        return self.follow(node, place) if found is None else found

    def _blocks(self, encoder):
        """Returns: list of the nodes of an encoder's blocks."""
        listed, blocks = self.follow(encoder, "_transformer_layers"), []
        while True:
            index = len(blocks)
            block = (
                self.follow(encoder, f"layer_with_weights-{_FIRST_BLOCK + index}") if listed is None else self.follow(listed, str(index))
            )
            if self.follow(block, "_attention_layer", "_query_dense", "kernel") is None:
                return blocks
            blocks.append(block)

    def _name_encoder(self, encoder, nodes):
        """Note the variables of the encoder. Returns: node of its pooler, or None."""
        for attribute, (place, leaves) in _EMBEDDINGS.items():
            self._name(nodes, f"encoder/{attribute}", self._layer(encoder, attribute, place), leaves)
        blocks = self._blocks(encoder)
        for index, block in enumerate(blocks):
            for path, leaves in _BLOCK.items():
                layer = self.follow(block, *path.split("/"))
                if layer is None and path in _ONCE:
                    layer = self.follow(block, _ONCE[path])
                self._name(nodes, f"encoder/_transformer_layers/{index}/{path}", layer, leaves)
        return self._layer(encoder, "_pooler_layer", f"layer_with_weights-{_FIRST_BLOCK + len(blocks)}")

    def _name_heads(self, nodes, tensors):
        """Note the variables of the heads. Returns: name of the network or None, and node of a head's own pooler or None."""
        head = next(iter(self.targets("span_labeling")), None)
        if head is not None:
            self._name(nodes, "span", self.follow(head, "layer_with_weights-0"), _DENSE)
            return "SpanClassifier", None
        head = next(iter(self.targets("classifier")), None)
        if head is not None:
            for edge, network in (("out_proj", "SequenceClassifier"), ("layer_with_weights-0", None)):  # None: of texts or of tokens
                if self.follow(head, edge, "kernel") is not None:
                    self._name(nodes, "classifier", self.follow(head, edge), _DENSE)
                    return network, self.follow(head, "dense")
            self._name(nodes, "classifier", head, _DENSE)
            return ("TokenClassifier" if "classifier/kernel" in nodes else None), None
        masked_lm = next((node for node in self.targets("masked_lm") if self.follow(node, "layer_norm", "gamma") is not None), None)
        if masked_lm is None:
            return "BertEncoder", self.follow(0, _NEXT_SENTENCE_POOLER)
        self._check_decoder(self.follow(masked_lm, "embedding_table"), nodes.get("encoder/_embedding_layer/embeddings"), tensors)
        self._name(nodes, "masked_lm/dense", self.follow(masked_lm, "dense"), _DENSE)
        self._name(nodes, "masked_lm/layer_norm", self.follow(masked_lm, "layer_norm"), _NORM)
        self._name(nodes, "masked_lm", masked_lm, ("bias",))
        projection, own_pooler = self._next_sentence(tensors)
        self._name(nodes, "next_sentence", projection, _DENSE)
        return ("MaskedLM" if projection is None else "Pretrainer"), own_pooler

    def _next_sentence(self, tensors):
        """Returns: nodes of the next-sentence head's output layer and of its own pooler, either or both None."""
        for node in self.targets("classification"):  # BertPretrainer
            if self.follow(node, "layer_with_weights-0", "kernel") is not None:
                return self.follow(node, "layer_with_weights-0"), None
        heads = []
        for listed in self.targets("classification_heads"):  # BertPretrainerV2
            for head in self.children[listed].values():
                kernel = self.follow(head, "out_proj", "kernel")
                if head not in heads and kernel is not None and tensors.shapes.get(self.keys[kernel], (0,))[-1] == 2:
                    heads.append(head)
        named = [head for head in heads if "/next_sentence/" in self.full_names[self.keys[self.follow(head, "out_proj", "kernel")]]]
        heads = named or heads
        if len(heads) == 1:
            return self.follow(heads[0], "out_proj"), self.follow(heads[0], "dense")
        return None, self.follow(0, _NEXT_SENTENCE_POOLER)

    def _check_decoder(self, table, word, tensors):
        """The masked-LM decoder is the word embedding here; a file may hold another."""
        if table is None or word is None or table == word:
            return
        table, word = self.keys[table], self.keys[word]
        if not np.array_equal(tensors.read(table), tensors.read(word)):
            raise ValueError(
                f"{self.path}: {table.removesuffix(_VALUE)} is not the word embedding, {word.removesuffix(_VALUE)}; BERT decodes by its "
                "word embedding, so this model cannot be represented"
            )


def _check_heads(config, tensors):
    """Joined heads look alike however many they are: the count must be the checkpoint's."""
    name = "encoder/_transformer_layers/0/_attention_layer/_query_dense/kernel"
    shape = tensors.shapes.get(name, ())
    if len(shape) != 3 or shape[1] != config.num_attention_heads:
        raise ValueError(
            f"{tensors.path} is a checkpoint of another size than the configuration says: {name} {list(shape)} for "
            f"[hidden, heads, per head] of num_attention_heads={config.num_attention_heads}"
        )


def _objects(network, all_rows):
    """Objects with Model Garden's attributes that hold a network's variables: a tf.train.Checkpoint of such."""
    import tensorflow as tf

    tree = {}
    with tf.device("CPU:0"):
        for weight, row in with_rows(network, all_rows, "Model Garden's BERT"):
            value = weight.variable.value
            is_whole = len(row.names) == 1 and row.transform is SAME and weight.lora is None
            if is_whole and isinstance(value, tf.Variable) and value.dtype == tf.float32:
                parts = {row.names[0]: value}  # the very variable: no second copy of the model
            else:
                arrays = row.save(weight.read().astype("float32", copy=False))
                parts = {name: tf.Variable(array, trainable=False) for name, array in arrays.items()}
            for name, variable in parts.items():
                *edges, leaf = name.split("/")
                branch = tree
                for edge in edges:
                    branch = branch.setdefault(edge, {})
                branch[leaf] = variable
    encoder = tree["encoder"]
    if "pooler" in tree:
        encoder["_pooler_layer"] = tree["pooler"]
    kind = type(network).__name__
    root = {"encoder": encoder, "model": {"_network": encoder}}
    if kind == "BertEncoder":
        root["model"] = encoder
    elif kind == "SequenceClassifier":
        root["model"]["classifier"] = {"out_proj": tree["classifier"]}
    elif kind == "TokenClassifier":
        root["model"]["classifier"] = tree["classifier"]
    elif kind == "SpanClassifier":
        root["model"]["span_labeling"] = {"layer_with_weights-0": tree["span"]}
    else:
        masked_lm = tree["masked_lm"] | {"embedding_table": encoder["_embedding_layer"]["embeddings"]}
        root |= {"model": {"encoder_network": encoder, "masked_lm": masked_lm}, "masked_lm": masked_lm}
        if kind == "Pretrainer":
            # A variable of its own: two of Model Garden's cannot be restored from one.
            pooler = {leaf: tf.Variable(variable, trainable=False) for leaf, variable in tree["pooler"].items()}
            root["model"]["classification_heads"] = {"0": {"dense": pooler, "out_proj": tree["next_sentence"]}}
            root[_NEXT_SENTENCE_POOLER] = pooler
    return _tracked(root, {})


def _tracked(branch, done):
    """Returns: tf.train.Checkpoint with the attributes of a dict of dicts and variables; the same for the same dict."""
    import tensorflow as tf

    if id(branch) not in done:
        children = {edge: _tracked(child, done) if isinstance(child, dict) else child for edge, child in branch.items()}
        done[id(branch)] = tf.train.Checkpoint(**children)
    return done[id(branch)]
