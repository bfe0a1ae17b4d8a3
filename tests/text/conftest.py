import pytest


@pytest.fixture(scope="session")
def other_python(tmp_path_factory):
    """A fresh_python that was started in Turkish, where I is no i, with another order of sets, and with one thread in `tokenizers`."""
    from fresh_python import FreshPython

    options = {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONUTF8": "1", "PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1"}
    processes = FreshPython(tmp_path_factory.mktemp("processes"), **options)
    yield processes
    processes.close()
