"""Model Garden's BertPretrainerV2, which gathers the masked positions too: a step of one's own in a tf.function with its AdamW."""

import bert_common
import pretraining_common
import side
import tensorflow as tf
import tf_keras
from official.nlp import optimization
from official.nlp.modeling import models, networks


class ModelGarden(pretraining_common.PretrainingSide):
    libraries = ("tf-models-official", "tensorflow")

    def prepare(self):
        bert_common.use_threads(tf, self.threads)
        self.model = self.built()
        path = f"{self.settings['model_garden']}/bert_model.ckpt"
        tf.train.Checkpoint(model=self.model).restore(path).assert_existing_objects_matched()
        if self.policy != "float32":
            # A checkpoint is restored into variables of its own dtype only.
            weights = self.model.get_weights()
            tf_keras.mixed_precision.set_global_policy(self.policy)
            self.model = self.built()
            self.model.set_weights(weights)
        if self.settings["check"]:
            self.optimizer = tf_keras.optimizers.SGD(bert_common.CHECK_LEARNING_RATE)
        else:
            self.optimizer = optimization.create_optimizer(  # it clips to a norm of 1 itself
                bert_common.LEARNING_RATE, num_train_steps=100_000, num_warmup_steps=10_000, optimizer_type="adamw"
            )
        self.step = tf.function(self.train_step)

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
        model = models.BertPretrainerV2(encoder, mlm_activation=lambda x: tf_keras.activations.gelu(x, approximate=True))
        model(features(self.batches[0]))
        return model

    def train_step(self, x, ids, weights):
        with tf.GradientTape() as tape:
            logits = tf.cast(self.model(x, training=True)["mlm_logits"], tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
            loss = tf.math.divide_no_nan(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))
        variables = self.model.trainable_variables
        gradients = [(gradient, variable) for gradient, variable in zip(tape.gradient(loss, variables), variables, strict=True)]
        self.optimizer.apply_gradients([pair for pair in gradients if pair[0] is not None])  # the pooler has none
        return loss

    def work(self, batches):
        return bert_common.concatenated(
            [
                [self.step(features(batch), tf.constant(batch["masked_ids"]), tf.cast(batch["masked_weights"], tf.float32))]
                for batch in batches
            ]
        )

    def product(self, size):
        return bert_common.tensorflow_product(tf, size, self.compute_dtype)


def features(batch):
    names = {
        "input_word_ids": "input_ids",
        "input_type_ids": "token_type_ids",
        "input_mask": "attention_mask",
        "masked_lm_positions": "masked_positions",
    }
    return {theirs: tf.constant(batch[ours]) for theirs, ours in names.items()}


side.serve(ModelGarden)
