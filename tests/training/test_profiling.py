import pytest
import tensorflow as tf

from keras_bert.training import ProfileSteps, profile
from keras_bert.training.profiling import cost_table, costliest_operations, operation_costs


@pytest.fixture(scope="module")
def step():
    weights = tf.Variable(tf.random.stateless_normal([512, 512], [0, 0]))

    @tf.function
    def step():
        return tf.reduce_sum(tf.tanh(tf.matmul(weights, weights)))

    step()
    return step


def test_the_trace_is_written_and_names_the_matrix_product(tmp_path, step):
    costs = profile(tmp_path / "profile", lambda: [step().numpy() for _ in range(5)])
    assert len(list((tmp_path / "profile").glob("plugins/profile/*/*.xplane.pb"))) == 1
    product = costs[0]
    assert product.operation.endswith("MatMul") and product.count == 5 and product.milliseconds > 0
    assert 0.3 < product.share < 1
    assert "Tanh" in cost_table(costs)
    assert sum(cost.share for cost in profile(tmp_path / "profile", step, top=100)) == pytest.approx(1)


def trace(plane_name, events):
    """An XPlane of one thread. events: (name, start, duration[, tf_op]), in picoseconds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    plane = xplane_pb2.XPlane(name=plane_name)
    plane.stat_metadata[1].name = "tf_op"
    line = plane.lines.add()
    for number, (name, start, duration, *stat) in enumerate(events, 1):
        plane.event_metadata[number].name = name
        event = line.events.add(metadata_id=number, offset_ps=start, duration_ps=duration)
        for value in stat:
            event.stats.add(metadata_id=1, str_value=value)
    return plane


def test_time_counts_once_where_operations_call_others():
    plane = trace(
        "/host:CPU",
        [
            ("model/while:While", 0, 10_000_000_000),
            ("EagerKernelExecute", 500_000_000, 9_000_000_000),  # no operation, but not the loop's own time either
            ("model/a/MatMul:MatMul", 1_000_000_000, 4_000_000_000),
            ("model/b/MatMul:MatMul", 5_000_000_000, 2_000_000_000),
            ("KernelAndDeviceFunc::Run", 11_000_000_000, 1_000_000_000),
            ("EagerLocalExecute: __inference_f_50", 12_000_000_000, 1_000_000_000),
            ("Tanh:Tanh", 13_000_000_000, 3_000_000_000),
        ],
    )
    costs = operation_costs([plane, plane])
    assert [(cost.operation, cost.milliseconds, cost.count) for cost in costs] == [("MatMul", 12, 4), ("Tanh", 6, 2), ("While", 2, 2)]
    assert [cost.share for cost in costs] == pytest.approx([0.6, 0.3, 0.1])
    assert cost_table(costs).splitlines()[1].split() == ["MatMul", "12.0", "4", "60%"]


def test_a_device_s_kernels_stand_for_what_the_host_waits_for():
    host = trace("/host:CPU", [("model/MatMul:MatMul", 0, 9_000_000_000)])
    device = trace(
        "/device:GPU:0", [("ampere_gemm_128", 0, 3_000_000_000, "model/MatMul:MatMul"), ("memcpy", 3_000_000_000, 1_000_000_000)]
    )
    assert [(cost.operation, cost.milliseconds) for cost in operation_costs([host, device])] == [("MatMul", 3), ("memcpy", 1)]


def test_a_directory_without_a_trace_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no trace"):
        costliest_operations(tmp_path)


def test_the_steps_asked_for_are_profiled_counted_from_where_a_run_goes_on(tmp_path, step, capsys):
    profiled = ProfileSteps(tmp_path, first=2, last=4)
    for number in range(101, 110):
        step().numpy()
        profiled(number, None)
    counts = {cost.operation: cost.count for cost in profiled.costs}
    assert [count for operation, count in counts.items() if operation.endswith("MatMul")] == [2]  # steps 103 and 104
    assert "MatMul" in capsys.readouterr().out


def test_a_run_that_ends_early_is_profiled_as_far_as_it_went(tmp_path, step):
    profiled = ProfileSteps(tmp_path, first=1, last=20)
    for number in range(1, 4):
        step().numpy()
        profiled(number, None)
    assert profiled.costs is None
    profiled.close()
    assert any(cost.operation.endswith("MatMul") and cost.count == 2 for cost in profiled.costs)
    ProfileSteps(tmp_path).close()  # never began: nothing to stop


def test_steps_in_the_wrong_order_are_told(tmp_path):
    with pytest.raises(ValueError, match="first=5 and last=5"):
        ProfileSteps(tmp_path, first=5, last=5)
