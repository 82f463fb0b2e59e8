"""Python source reduced to what it computes, in one spelling under every version of Python.

Neither `ast.dump` nor `ast.unparse` is enough: between versions they omit different empty fields and cut
f-strings into different pieces. This module needs the standard library alone, so that any Python can check
the others.
"""

import ast
import hashlib
import warnings
from collections.abc import Iterator


def parse(source: bytes) -> ast.Module:
    """Parses a file's content, in the encoding that it declares.

    Raises:
        SyntaxError: The running Python cannot parse it. Some faults raise ``ValueError``, ``RecursionError``
            or ``MemoryError`` instead, depending on the version.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a file's invalid escapes are its author's business
        return ast.parse(source)


def source_digest(tree: ast.Module) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a source's normal form."""
    return hashlib.sha256(normal_form(tree).encode("ascii")).hexdigest()[:16]


def normal_form(tree: ast.AST) -> str:
    """Writes a syntax tree as ASCII text, which two trees share only if they compute the same.

    The text omits layout, comments, docstrings and other statements that compute nothing (a bare constant,
    ``pass``), and every field that is empty. It keeps names, annotations and the order of statements. So it
    misses a docstring that code reads at run time.

    Args:
        tree: What `parse` returned, or a part of it.
    """
    return "\n".join(_tokens(tree))


_END = ("end",)


def _tokens(tree: ast.AST) -> Iterator[str]:
    """The tree in prefix notation; without recursion, since sums of a thousand terms are that deep."""
    waiting: list[object] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.JoinedStr):
            item = _text(item)
        match item:
            case tuple():
                yield item[0]
            case ast.Constant():
                yield f"literal {_literal(item.value)}"
            case list():
                yield "list"
                waiting += [_END, *reversed(item)]
            case ast.AST():
                yield type(item).__name__
                waiting.append(_END)
                for name, value in _fields(item):
                    waiting += [value, (name,)]
            case _:
                yield _literal(item)


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """A node's fields, last name first, without empty ones: versions of Python have different fields.

    It leaves out an expression's context (load, store, delete), which follows from its place.
    """
    for name in sorted(node._fields, reverse=True):
        value = getattr(node, name, None)
        if isinstance(value, list):
            value = [item for item in value if not _computes_nothing(item)] or None
        empty = value is None or (type(value) is int and value == 0)
        if name != "ctx" and not empty:
            yield name, value


def _computes_nothing(statement: object) -> bool:
    """Whether it is ``pass``, a docstring or another constant that stands alone."""
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _text(text: ast.JoinedStr) -> ast.Constant | list[object]:
    """An f-string's parts with neighbouring literals joined, or one literal where nothing is formatted."""
    parts: list[object] = []
    literal = ""
    for part in text.values:
        if isinstance(part, ast.Constant):
            literal += str(part.value)
        else:
            parts += [ast.Constant(literal), part] if literal else [part]
            literal = ""
    if not parts:
        return ast.Constant(literal)
    return [("text",), *parts, *([ast.Constant(literal)] if literal else [])]


def _literal(value: object) -> str:
    """A value with its type, since 1 equals 1.0 and True; not by ``repr``, which follows Python's Unicode."""
    text = hex(value) if type(value) is int else ascii(value)
    return f"{type(value).__name__} {text}"
