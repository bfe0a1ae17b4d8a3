"""What the tests of readers share."""

import gzip
import json

import pytest


@pytest.fixture
def write(tmp_path):
    """Call it with a name and content (str or bytes) for the path of such a file, packed where the name ends so."""

    def write_file(name, content):
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write_file


@pytest.fixture(scope="session")
def tfds_data_dir(tmp_path_factory):
    """A data set of tensorflow-datasets, prepared from a local file by a builder of its own, as users' are."""
    import tensorflow_datasets as tfds

    tmp_path = tmp_path_factory.mktemp("tfds")
    (tmp_path / "manual").mkdir()
    rows = [("good", "b1", "yes"), ("bad", "b2", "no"), ("fine", "b3", "yes")]
    (tmp_path / "manual" / "rows.json").write_text(json.dumps(rows))

    class LocalReviews(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        MANUAL_DOWNLOAD_INSTRUCTIONS = "rows.json"

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    {
                        "text": tfds.features.Text(),
                        "more": tfds.features.Text(),
                        "label": tfds.features.ClassLabel(names=["no", "yes"]),
                    }
                ),
                supervised_keys=("text", "label"),
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(dl_manager.manual_dir), "test": self._unlabelled_examples()}

        def _unlabelled_examples(self):
            yield 0, {"text": "good", "more": "b", "label": -1}  # as the test sets of GLUE

        def _generate_examples(self, folder):
            for key, (text, more, label) in enumerate(json.loads((folder / "rows.json").read_text())):
                yield key, {"text": text, "more": more, "label": label}

    builder = LocalReviews(data_dir=str(tmp_path / "tfds"))
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=str(tmp_path / "manual")))
    return str(tmp_path / "tfds")
