"""Names of a package that are imported when they are first used."""

import importlib


def lazy_names(namespace, homes):
    """Make the `__getattr__` and `__dir__` of a package (PEP 562).

    Args: namespace: the package's globals(). homes: dict of public name -> module that defines it, or that it is.
    Returns: __getattr__, __dir__.
    """
    package = namespace["__name__"]

    def __getattr__(name):
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(homes[name])
        value = module if homes[name] == f"{package}.{name}" else getattr(module, name)
        namespace[name] = value
        return value

    return __getattr__, lambda: sorted(homes)
