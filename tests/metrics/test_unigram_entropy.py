import math

import pytest

from keras_bert.metrics import UnigramEntropy


def test_entropy_of_the_pieces_that_count():
    """Shares 1/2, 1/4, 1/4: 1.5 bits. Padding counts nothing."""
    metric = UnigramEntropy(10)
    metric.update_state([[3, 5]], None, sample_weight=[[1.0, 1.0]])
    metric.update_state([[3, 7], [0, 0]], None, sample_weight=[[1.0, 1.0], [0.0, 0.0]])
    assert float(metric.result()) == pytest.approx(1.5 * math.log(2))
    metric.reset_state()
    assert float(metric.result()) == 0.0
