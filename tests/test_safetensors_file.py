import json
import struct

import ml_dtypes
import numpy as np
import pytest
from safetensors import deserialize
from safetensors.numpy import load_file, save_file

import keras_bert
from keras_bert import BertEncoder
from keras_bert.safetensors_file import SafetensorsFile, ShardedSafetensors, write_safetensors


@pytest.fixture
def small(tmp_path):
    """A file that the safetensors library wrote, and its tensors."""
    generator = np.random.default_rng(0)
    tensors = {"b": generator.normal(size=(3, 4)).astype("float32"), "a": generator.normal(size=5).astype("float16")}
    tensors["c"] = np.array(2.5)  # of no dimension, float64
    save_file(tensors, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors", tensors


def with_header(path, change):
    """Rewrite a file's header, its data as it was."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    change(header)
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data[8 + size :])


def test_reads_what_the_library_wrote(small):
    path, tensors = small
    file = SafetensorsFile(path)
    assert file.shapes == {"a": (5,), "b": (3, 4), "c": ()}
    for name, value in tensors.items():
        got = file.read(name)
        assert got.dtype == value.dtype
        np.testing.assert_array_equal(got, value)


def test_the_library_reads_what_is_written(tmp_path):
    arrays = {"x": np.arange(6, dtype="float32").reshape(2, 3).T, "é": np.float32(np.pi).reshape(())}
    path = tmp_path / "written.safetensors"
    write_safetensors(path, {name: a.shape for name, a in arrays.items()}, iter(arrays.items()), metadata={"format": "pt"})
    loaded = load_file(path)
    assert sorted(loaded) == sorted(arrays)
    for name, value in arrays.items():
        np.testing.assert_array_equal(loaded[name], value)


def test_the_library_reads_each_dtype(tmp_path):
    names = {
        "BF16": ml_dtypes.bfloat16, "F16": "float16", "F32": "float32", "F64": "float64",
        "I32": "int32", "I64": "int64", "U32": "uint32", "BOOL": "bool",
    }  # fmt: skip
    arrays = {name: np.array([0, 1, 3]).astype(dtype) for name, dtype in names.items()}
    path = tmp_path / "mixed.safetensors"
    write_safetensors(path, dict.fromkeys(arrays, (3,)), iter(arrays.items()), dtype=names)
    for name, tensor in deserialize(path.read_bytes()):
        assert (tensor["dtype"], tensor["shape"], bytes(tensor["data"])) == (name, [3], arrays[name].tobytes())
    file = SafetensorsFile(path, weights_only=False)
    for name, value in arrays.items():
        assert file.read(name).dtype == value.dtype
        np.testing.assert_array_equal(file.read(name), value)
    with pytest.raises(ValueError, match=r"mixed\.safetensors: (I32|I64|U32|BOOL) has dtype \1; weights are F32, F16, BF16, F64$"):
        SafetensorsFile(path)


def test_dtypes_that_are_not_read_or_written_are_named(tmp_path):
    save_file({"x": np.zeros(2, "uint8")}, tmp_path / "bytes.safetensors")
    with pytest.raises(ValueError, match=r"bytes\.safetensors: x has dtype U8; what is read is F32, F16, BF16, F64, I32, I64, U32, BOOL$"):
        SafetensorsFile(tmp_path / "bytes.safetensors", weights_only=False)
    with pytest.raises(ValueError, match="x has dtype uint8; what is written is float32, float16, bfloat16, float64, int32"):
        write_safetensors(tmp_path / "f", {"x": (2,)}, [("x", np.zeros(2, "uint8"))], dtype="uint8")
    assert not (tmp_path / "f").exists()


def test_writing_other_than_announced_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"x has shape \[3\]; \[2\] was announced"):
        write_safetensors(tmp_path / "f", {"x": (2,)}, [("x", np.zeros(3, "float32"))])
    with pytest.raises(ValueError, match=r"\['x'\] were written where \['x', 'y'\] were announced"):
        write_safetensors(tmp_path / "f", {"x": (2,), "y": (1,)}, [("x", np.zeros(2, "float32"))])


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def longer(path):
    path.write_bytes(path.read_bytes() + b"12345678")


def offsets_beyond_the_end(path):
    with_header(path, lambda header: header["b"].update(data_offsets=[10, 10**9]))


def shape_and_size_that_disagree(path):
    with_header(path, lambda header: header["b"].update(shape=[300, 400]))


def overlap(path):
    with_header(path, lambda header: header["a"].update(data_offsets=[0, 10]))


def header_of_exabytes(path):
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])


def not_json(path):
    data = path.read_bytes()
    path.write_bytes(data[:8] + b"x" + data[9:])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "damage", [cut, longer, offsets_beyond_the_end, shape_and_size_that_disagree, overlap, header_of_exabytes, not_json, empty]
)
def test_a_damaged_file_is_named(small, damage):
    path, _ = small
    damage(path)
    with pytest.raises(ValueError, match=r"small\.safetensors is not a whole safetensors file"):
        SafetensorsFile(path)


@pytest.fixture
def sharded(tiny_transformers_directory):
    """The tiny checkpoint in two shards: (path, index, rewrite(index))."""
    path, tensors, _ = tiny_transformers_directory
    (path / "model.safetensors").unlink()
    names = sorted(tensors)
    homes = {name: f"model-0000{1 + (index % 2)}-of-00002.safetensors" for index, name in enumerate(names)}
    for home in set(homes.values()):
        save_file({name: np.ascontiguousarray(tensors[name]) for name in names if homes[name] == home}, path / home)
    index = {"metadata": {"total_size": 1}, "weight_map": homes}

    def rewrite(index):
        (path / "model.safetensors.index.json").write_text(index if isinstance(index, str) else json.dumps(index))

    rewrite(index)
    return path, index, rewrite


def test_shards_give_the_same_weights(sharded, reference):
    whole = keras_bert.from_pretrained(reference / "hugging_face" / "sequence_classification")
    parts = keras_bert.from_pretrained(sharded[0])
    for got, expected in zip(parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("home", ["../model-00001-of-00002.safetensors", "/etc/passwd", "..", "", "sub/x.safetensors", 3])
def test_a_shard_outside_the_directory_is_refused(sharded, home):
    path, index, rewrite = sharded
    index["weight_map"]["bert.pooler.dense.bias"] = home
    rewrite(index)
    with pytest.raises(ValueError, match=r"index\.json names .*, a path that leaves its directory"):
        ShardedSafetensors(path / "model.safetensors.index.json")


def test_a_shard_or_tensor_that_is_not_there_is_named(sharded):
    path, index, rewrite = sharded
    index["weight_map"]["bert.extra"] = "model-00001-of-00002.safetensors"
    rewrite(index)
    with pytest.raises(ValueError, match=r"says that bert\.extra is in model-00001-of-00002\.safetensors, but it is not"):
        keras_bert.from_pretrained(path, cls=BertEncoder)
    index["weight_map"]["bert.extra"] = "model-00003-of-00003.safetensors"
    rewrite(index)
    with pytest.raises(ValueError, match=r"names model-00003-of-00003\.safetensors, which is not there; the directory holds config\.json"):
        keras_bert.from_pretrained(path, cls=BertEncoder)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "holds a JSON list"),
        ('{"metadata": {}}', "has no weight_map"),
        ('{"weight_map": 3}', "has no weight_map"),
    ],
)
def test_an_index_that_is_none_is_named(sharded, index, words):
    path, _, rewrite = sharded
    rewrite(index)
    with pytest.raises(ValueError, match=rf"index\.json .*{words}"):
        keras_bert.from_pretrained(path, cls=BertEncoder)
