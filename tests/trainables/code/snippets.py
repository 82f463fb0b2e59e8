"""Sources that Python's versions parse differently, or nearly so, each with its one digest."""

SNIPPETS = {
    "empty": "",
    "literals": r"""
x = [0, 1, 0x10, 1_000, 0b11, 10**400, 1.0, 1e999, 1e-9, 2j, -0.0, True, None, ..., b"\x00\xff'"]
z = "é\u2028\N{EN DASH}"
y = "one" 'two' u"three" r"\d" '''
four''', "\ud800", "\U0001fae8", "\U00031350", "\U0001f6dc"
""",
    "fields that are empty": """
def nothing(): return
class Nothing: ...
def arguments(a, /, b: int = 1, *c, d, e: str = "e", **f) -> None: return a, b, c, d, e, f
lambda: 0
lambda x, /, *y, z=lambda: 1, **w: (x, y, z, w)
f(), f(*a, **b), f(*a, *b, x=1, **c), {**d, "k": 1}, [*a, *b], {*a}, (), [], {}
import a, b.c as d
from . import e
from .f import g as h
from ... import i
from j import *
""",
    "f-strings": r"""
f"", f"plain", f"{x}", f"{x!r}", f"{x:}", f"{x:>10}", f"{x!s:^{width}.{precision}}", f"{x:{a}{b}}"
f"{x=}", f"{x = }", f"{x=!s:>{w}}", f"{ x + 1 = :.2f}"
"a" f"{x}" "b" f"c" 'd', f"{{}}", f"{{{x}}}", f"{x}}}{{", f"\N{EN DASH}{x}\n\t", rf"\d{x}\d", f"{''}{''!r}"
f'''{
x
}
{x:
}'''
f"{a['b']}", f"{ {1: 2}[1] }", f"{(lambda: 1)()}", f"{(y := 5)}", f"{*a,}", f"{x:%H:%M}", f"{x if y else z}"
f'{f"{x:{y}}"}'
f"{x!r:{'>'}{10}}", f"{x:{''}}", f"{d['a']:{w}}{'b'}{f'{c}'}"
""",
    "walrus, slices and comparisons": """
if (n := len(a)) > 1 and not (m := n) is None or a not in b: a[1:2, ::3, ...] = b[n:], *c
while chunk := read(): x = y = chunk; x += 1; x @= y; x //= 2; del x, (y), z[0]
1 < a <= b != c, a if b else c, -x ** -y, ~x, +x, not x, x[y][z].w, x[*y, 1], x[(y, z)]
[x async for x in y if x if y for z in x], {x: y for x, y in z}, {x for x in y}, (x for x in y)
""",
    "statements": """
for i, (j, *k) in a:
    if i: continue
    elif j: break
    else: pass
else: assert i, "message"
try: raise A from B
except (A, B) as error: raise
except C: pass
else: x
finally: y
try: z
except* A as group: print(group)
with (open(a) as b, open(c)): pass
with open(a) as (b, c), d: pass
def outer():
    global g, h
    x = 0
    def inner():
        nonlocal x
        yield x
        y = yield
        yield from z
    return inner
""",
    "match": """
match command.split():
    case []: a
    case [x, y, *rest] if x: b
    case {"k": 1, "l": [2, _], **others}: c
    case Point(x=0, y=-1) | Point(1, 2.5 + 3j): d
    case None | True | False: e
    case "text" | b"bytes" | a.b: f
    case (str() as name) | {"name": name}: g
    case [*_]: h
    case _: pass
""",
    "decorators and classes": """
@register
@wraps(f, assigned=("a",))
@a.b[0]
@(lambda f: f)
class Method(Base, Generic[T], metaclass=Meta, **options):
    "A docstring."
    name: ClassVar[str] = "noise"
    size: int
    (other): int = 1
    a.b: int
    __slots__ = ()
    @property
    def scale(self) -> "Tensor | None": "Another."; return self._scale
    @staticmethod
    def build(*args: *Ts): ...
""",
    "async": """
async def train(loader, *, steps: int = 10):
    async for batch in loader:
        async with lock as held, other: await step(batch)
    else: return
    result = [await y async for y in z]
    await (yield)
    return await a + await b
""",
    "docstrings and constants": '''
"""A module's."""
from __future__ import annotations
X = 1
"""An attribute's."""
def f():
    r"""A function's \\d."""
    1; ...; None; b"bytes"; f"{computed()}"; "text".join(x)
class C:
    """A class's."""
    """And another."""
''',
    "type parameters": """
type Pair[T: int, *Ts, **P] = tuple[T, *Ts]
def first[T: (int, str)](x: list[T]) -> T: return x[0]
class Box[T](Base): value: T
""",
    "quotes in f-strings": r"""
f"{f"{f"{1}"}"}", f"{'\n'.join(a)}", f"{
    x  # a comment
    + 1
}"
""",
    "defaults of type parameters": """
class Box[T = int, *Ts = *tuple[int], **P = [int]]: pass
""",
}
"""Sources by what they hold."""

SINCE = {
    "type parameters": (3, 12),
    "quotes in f-strings": (3, 12),
    "defaults of type parameters": (3, 13),
}
"""The first version of Python that parses a source, where that is not 3.11."""

DIGESTS = {
    "empty": "5ffe8e8daed7b2fd",
    "literals": "8ecd46c5245bec8d",
    "fields that are empty": "2d7406f89feb3cb5",
    "f-strings": "1d9a48e5b954a326",
    "walrus, slices and comparisons": "cf44da4a1e60c0b0",
    "statements": "be10e8e97b856621",
    "match": "d3e85a1c723c2a01",
    "decorators and classes": "c32df3e1e0e59257",
    "async": "9710c2931848ae8f",
    "docstrings and constants": "1f333b675b6ad8ae",
    "type parameters": "75d3eea1e41680b0",
    "quotes in f-strings": "889b2bd90ca57553",
    "defaults of type parameters": "237699ed2abce7ff",
}
"""The digest of each. To change one is to rename every recorded trial that has code of a user's."""
