"""Frozen values: classes with fields, as dataclasses are, whose definition takes no time.

A dataclass writes the source of its methods and compiles it, half a millisecond for each class in every process;
packages that do better take ten to import. A short run defines more than a hundred classes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        return lambda decorated: decorated


_T = TypeVar("_T")


class _Made:
    """The default of a field that every value gets one of its own of."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], _T]) -> _T:
    """The default of a field: what the function gives, for every value anew."""
    return cast("_T", _Made(default_factory))


@dataclass_transform(field_specifiers=(field,))
class Struct:  # noqa: PLW1641 - each class below it gets a hash, or None
    """A value with fields: the names that its class, and those before it, annotate, with their defaults.

    It is made by position or by name, equals another of its class with equal fields, and tells them in its repr.
    With ``frozen`` no attribute can be set, and it has a hash; ``eq`` False: it equals itself alone.
    """

    __struct_fields__: ClassVar[tuple[str, ...]] = ()
    __struct_names__: ClassVar[frozenset[str]] = frozenset()
    __struct_defaults__: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, *, frozen: bool = False, eq: bool = True) -> None:
        # Not by inspect, which takes as long to import as all of these classes would as dataclasses.
        own = cls.__annotations__ if sys.version_info >= (3, 14) else vars(cls).get("__annotations__", {})
        names = [name for name, kind in own.items() if not str(kind).startswith("ClassVar")]
        defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
        for name, default in defaults.items():
            if isinstance(default, (list, dict, set)):
                raise TypeError(f"{cls.__name__}.{name}: all values would share that; give a default_factory")
        cls.__struct_fields__ = tuple(dict.fromkeys((*cls.__struct_fields__, *names)))
        cls.__struct_names__ = frozenset(cls.__struct_fields__)
        cls.__struct_defaults__ = {**cls.__struct_defaults__, **defaults}
        if frozen:
            cls.__setattr__ = _refuse  # type: ignore[method-assign,assignment]
            cls.__delattr__ = _refuse  # type: ignore[method-assign,assignment]
        if not eq and "__eq__" not in vars(cls):
            cls.__eq__ = object.__eq__  # type: ignore[method-assign]
            cls.__hash__ = object.__hash__  # type: ignore[method-assign]
        elif cls.__eq__ is Struct.__eq__:
            cls.__hash__ = _hash if frozen else None  # type: ignore[method-assign,assignment]

    def __init__(self, /, *given: Any, **named: Any) -> None:
        fields, values = self.__struct_fields__, self.__dict__
        values.update(zip(fields, given))  # noqa: B905
        if named:
            values.update(named)
        if len(given) + len(named) != len(fields) or len(values) != len(fields):
            self._fill(given, named)
        elif named and not values.keys() <= self.__struct_names__:
            raise TypeError(_misfit(self, given, named))

    def _fill(self, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Takes the defaults for what was not given."""
        fields, values = self.__struct_fields__, self.__dict__
        if len(given) > len(fields) or not named.keys() <= set(fields[len(given) :]):
            raise TypeError(_misfit(self, given, named))
        for name in fields:
            if name not in values:
                if name not in self.__struct_defaults__:
                    raise TypeError(f"{type(self).__name__} needs {name}")
                default = self.__struct_defaults__[name]
                values[name] = default.make() if type(default) is _Made else default

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return astuple(self) == astuple(other)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__)
        return f"{type(self).__qualname__}({told})"


_S = TypeVar("_S", bound=Struct)


def replace(value: _S, /, **changes: Any) -> _S:
    """A copy of a value with other fields. Raises TypeError for a field that it does not have."""
    return type(value)(**{**asdict(value), **changes})


def asdict(value: Struct) -> dict[str, Any]:
    """The fields of a value by their names, as they are."""
    known = value.__dict__
    return {name: known[name] for name in value.__struct_fields__}


def astuple(value: Struct) -> tuple[Any, ...]:
    """The fields of a value in their order, as they are."""
    known = value.__dict__
    return tuple([known[name] for name in value.__struct_fields__])


def as_dict(value: Struct) -> dict[str, Any]:
    """A value by the names of its fields, and so every value in it; what is no value stays as it is."""
    return {name: _plain(one) for name, one in asdict(value).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return as_dict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return value


def _refuse(self: Struct, name: str, *_: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")


def _hash(self: Struct) -> int:
    return hash(astuple(self))


def _misfit(value: Struct, given: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    fields = ", ".join(value.__struct_fields__)
    return f"{type(value).__name__} got {len(given)} values and {', '.join(named)}: its fields are {fields}"
