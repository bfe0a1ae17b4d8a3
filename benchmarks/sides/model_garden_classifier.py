"""Model Garden's BertClassifier: in a tf.function, or trained by a step of one's own with its AdamW, as its trainer does."""

import bert_common
import side
import tensorflow as tf
import tf_keras
from official.nlp import optimization
from official.nlp.modeling import models, networks


class ModelGarden(bert_common.ClassifierSide):
    libraries = ("tf-models-official", "tensorflow")

    def prepare(self):
        bert_common.use_threads(tf, self.threads)
        settings = self.settings
        self.model = self.restored()
        if self.policy != "float32":
            # A checkpoint is restored into variables of its own dtype only.
            weights = self.model.get_weights()
            tf_keras.mixed_precision.set_global_policy(self.policy)
            self.model = self.built()
            self.model.set_weights(weights)
        if self.job == "training":
            if settings["check"]:
                self.optimizer = tf_keras.optimizers.SGD(bert_common.CHECK_LEARNING_RATE)
            else:
                self.optimizer = optimization.create_optimizer(  # it clips to a norm of 1 itself
                    bert_common.LEARNING_RATE, num_train_steps=100_000, num_warmup_steps=10_000, optimizer_type="adamw"
                )
            self.step = tf.function(self.train_step)
        else:
            self.forward = tf.function(lambda x: self.model(x, training=False), autograph=False)

    def built(self):
        config, dropout = self.settings["config"], 0.0 if self.settings["check"] else 0.1
        encoder = networks.BertEncoderV2(
            vocab_size=config["vocab_size"],
            hidden_size=config["hidden_size"],
            num_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            max_sequence_length=config["max_position_embeddings"],
            type_vocab_size=2,
            inner_dim=config["intermediate_size"],  # its activation is the tanh form of GELU
            output_dropout=dropout,
            attention_dropout=dropout,
        )
        encoder(encoder.inputs)
        return models.BertClassifier(encoder, 2, dropout_rate=dropout)

    def restored(self):
        model = self.built()
        path = f"{self.settings['model_garden']}/bert_model.ckpt"
        tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched()
        return model

    def train_step(self, x, labels):
        with tf.GradientTape() as tape:
            logits = tf.cast(self.model(x, training=True), tf.float32)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    def work(self, batches):
        if self.job == "training":
            return bert_common.concatenated([[self.step(features(batch), batch["labels"])] for batch in batches])
        return bert_common.concatenated(tf.nn.softmax(tf.cast(self.forward(features(batch)), tf.float32)) for batch in batches)

    def product(self, size):
        return bert_common.tensorflow_product(tf, size, self.compute_dtype)


def features(batch):
    names = {"input_word_ids": "input_ids", "input_type_ids": "token_type_ids", "input_mask": "attention_mask"}
    return {theirs: tf.constant(batch[ours]) for theirs, ours in names.items()}


side.serve(ModelGarden)
