"""Loops in several threads of one process, as in a server that learns while it answers."""

import concurrent.futures
import threading

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.data.ops import multi_device_iterator_ops

from keras_bert import training
from keras_bert.training.distribution import untuned_devices

TEXTS = ["a good film", "it is bad", "no", "great , great film was it", "a b c"]


def test_eight_threads_predict_while_one_fits(make_tiny_classifier):
    x = np.random.default_rng(0).normal(size=[64, 3]).astype("float32")

    def learner():
        keras.utils.set_random_seed(0)
        model = training.TrainingModel(inputs=(inputs := keras.Input([3])), outputs=keras.layers.Dense(1)(inputs))
        model.compile(keras.optimizers.SGD(0.1), "mse")
        return model

    with training.get_strategy("one_device").scope():  # whose iterators come by TensorFlow's buffers, one a device
        answers, learns, alone = make_tiny_classifier(), learner(), learner()
    expected = answers.predict(TEXTS, verbose=0)
    alone.fit(x, x[:, :1], batch_size=4, epochs=5, shuffle=False, verbose=0)
    create = multi_device_iterator_ops._create_device_dataset
    began, ended = threading.Barrier(9), threading.Event()

    def fit():
        began.wait()
        learns.fit(x, x[:, :1], batch_size=4, epochs=5, shuffle=False, verbose=0)
        ended.set()

    def predict():
        began.wait()
        found = [answers.predict(TEXTS, batch_size=4, verbose=0)]
        while not ended.is_set():
            found.append(answers.predict(TEXTS, batch_size=4, verbose=0))
        return found

    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        jobs = [pool.submit(fit), *(pool.submit(predict) for _ in range(8))]
        _, *predictions = [job.result() for job in jobs]
    for found in predictions:
        for each in found:
            np.testing.assert_allclose(each, expected, atol=1e-6)
    for there, own in zip(alone.weights, learns.weights, strict=True):
        np.testing.assert_allclose(own.numpy(), there.numpy(), atol=1e-6)
    assert multi_device_iterator_ops._create_device_dataset is create


def test_a_loop_leaves_out_the_tuner_for_its_own_thread_only():
    strategy = training.get_strategy("one_device")
    numbers = tf.data.Dataset.range(3).batch(1)

    def tuners():
        iterator = iter(strategy.experimental_distribute_dataset(numbers))
        return [each._dataset.options().autotune.enabled for each in iterator._iterators[0]._iterator._device_iterators]

    with untuned_devices(), concurrent.futures.ThreadPoolExecutor(1) as pool:
        with untuned_devices():  # evaluate within fit
            pass
        inside, elsewhere = tuners(), pool.submit(tuners).result()
    assert (inside, elsewhere, tuners()) == ([False], [None], [None])
