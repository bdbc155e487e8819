"""docs/API.md: the public names with their signatures and docstrings, read from the source."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import types
from collections.abc import Iterator

from documentation.docstrings import markdown

ROOMS = ("mmad_rag", "mmad_rag.images", "mmad_rag.retrieve", "mmad_rag.encoders", "mmad_rag.models")
"""Whose `__all__` is listed; a name that several export stands under the first."""
HEAD = """\
# The public interface

Written by `make docs` from the docstrings of the public names; change those. What SemVer covers is in
[CONTRIBUTING](../CONTRIBUTING.md). The command line has [its own page](CLI.md), and so have
[encoders and models of your own package](EXTENDING.md).
"""


def page() -> str:
    """The whole page."""
    parts, told = [HEAD], set()
    for room in ROOMS:
        module = importlib.import_module(room)
        parts.append(f"## {room}\n\n{inspect.cleandoc(module.__doc__ or '')}\n")
        for name in module.__all__:
            value = getattr(module, name)
            if name not in told and not name.startswith("__"):
                parts.append(_entry(module, name, value))
            told.add(name)
    errors = inspect.cleandoc(importlib.import_module("mmad_rag.errors").__doc__ or "")
    parts.append(f"## mmad_rag.errors\n\n```text\n{errors}\n```\n")
    return "\n".join(parts)


def _entry(module: types.ModuleType, name: str, value: object) -> str:
    if isinstance(value, type):
        return "\n".join(_class(name, value))
    function = inspect.unwrap(value) if callable(value) else None
    if inspect.isfunction(function):
        node = _node(function)
        return f"### `{name}`\n\n{_signature(name, node)}\n\n{markdown(ast.get_docstring(node) or '')}\n"
    return f"### `{name}`\n\n{markdown(_constant_text(module, name))}\n"


def _class(name: str, kind: type) -> Iterator[str]:
    """A class with its constructor, fields, properties and methods; what it inherits from ours included."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("mmad_rag")]
    nodes = [_node(base) for base in ours]
    yield f"### `{name}`\n"
    init = next((item for item in nodes[0].body if _is_function(item) and item.name == "__init__"), None)
    if init is not None:
        yield _signature(name, init) + "\n"
    yield markdown(ast.get_docstring(nodes[0]) or "") + "\n"
    fields = [field for node in reversed(nodes) for field in _fields(node)]
    if fields:
        yield "\n".join(fields) + "\n"
    for node in nodes:
        for item in node.body:
            if _is_function(item) and (not item.name.startswith("_") or item.name == "__call__"):
                yield f"#### `{name}.{item.name}`\n"
                if not any(_says(mark, "property") for mark in item.decorator_list):
                    yield _signature(f"{name}.{item.name}", item) + "\n"
                yield markdown(ast.get_docstring(item) or "") + "\n"


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """Annotated fields and members of an enum, each with the string that follows it."""
    for item, after in zip(node.body, [*node.body[1:], None], strict=True):
        said = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            said = f": {' '.join(str(after.value.value).split())}"
        if isinstance(item, ast.AnnAssign) and not ast.unparse(item.target).startswith("_"):
            default = "" if item.value is None else f" = {ast.unparse(item.value)}"
            yield f"- `{ast.unparse(item.target)}: {ast.unparse(item.annotation)}{default}`{said}"
        elif isinstance(item, ast.Assign) and not ast.unparse(item.targets[0]).startswith("_"):
            yield f"- `{ast.unparse(item)}`{said}"


def _signature(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """A block of code, one parameter a line where they are many; `self` and `cls` are not shown."""
    arguments = node.args
    given = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(given) - len(arguments.defaults)) + list(arguments.defaults)
    shown = [
        _parameter(argument, default)
        for argument, default in zip(given, defaults, strict=True)
        if argument.arg not in {"self", "cls"}
    ]
    if arguments.vararg is not None:
        shown.append(f"*{_parameter(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    shown += [_parameter(argument, default) for argument, default in pairs]
    given_back = node.returns is not None and node.name != "__init__"
    returned = f" -> {ast.unparse(node.returns)}" if given_back else ""
    begin = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    line = f"{begin}{name}({', '.join(shown)}){returned}"
    if len(line) > 100:
        inner = "".join(f"    {parameter},\n" for parameter in shown)
        line = f"{begin}{name}(\n{inner.replace('*,,', '*,')}){returned}"
    return f"```text\n{line}\n```"


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    kind = "" if argument.annotation is None else f": {ast.unparse(argument.annotation)}"
    if default is None:
        return f"{argument.arg}{kind}"
    return f"{argument.arg}{kind}{' = ' if kind else '='}{ast.unparse(default)}"


def _node(value: type | types.FunctionType) -> ast.ClassDef | ast.FunctionDef:
    """Where a class or a function is defined."""
    tree = ast.parse(inspect.getsource(value).expandtabs())
    return tree.body[0]


def _constant_text(module: types.ModuleType, name: str) -> str:
    """The string below a constant, in the module that defines it."""
    for home in (module, *_imported(module)):
        body = ast.parse(inspect.getsource(home)).body
        for item, after in itertools.pairwise(body):
            targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
            named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
            if named and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return str(after.value.value)
    return ""


def _imported(module: types.ModuleType) -> Iterator[types.ModuleType]:
    for item in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(item, ast.ImportFrom) and (item.module or "").startswith("mmad_rag."):
            yield importlib.import_module(item.module)


def _is_function(item: ast.stmt) -> bool:
    return isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)


def _says(mark: ast.expr, word: str) -> bool:
    return word in ast.unparse(mark)
