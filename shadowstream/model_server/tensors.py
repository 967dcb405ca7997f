"""Records as tensors of the Open Inference Protocol v2 (REST), and tensors of its answers as outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast, get_args

from shadowstream.config.model_server import Http, InputTensor
from shadowstream.config.tensor_types import Datatype, element
from shadowstream.errors import CandidateError
from shadowstream.model_server.failures import Unusable
from shadowstream.paths import ABSENT, parse_one, value_at

Row = list[list[Any]]
"""The elements of one record, by input tensor."""
_DATATYPES = frozenset(get_args(Datatype))


class Tensors:
    """Conversion by the tensors of one config."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._paths = [[parse_one(path) for path in tensor.fields] for tensor in http.inputs]

    def row(self, value: Any) -> Row:
        """Return the elements of one record. Raises `CandidateError` that names the field which does not fit."""
        return [_elements(tensor, paths, value) for tensor, paths in zip(self._http.inputs, self._paths, strict=True)]

    def request(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the body of a request for these records."""
        inputs = [
            {
                "name": tensor.name,
                "shape": [len(rows), *tensor.dimensions],
                "datatype": tensor.datatype,
                **({"parameters": tensor.parameters} if tensor.parameters else {}),
                "data": [one for row in rows for one in row[place]],
            }
            for place, tensor in enumerate(self._http.inputs)
        ]
        outputs = [{"name": tensor.name} for tensor in self._http.outputs]
        parameters = self._http.parameters
        return {
            **({"parameters": parameters} if parameters else {}),
            "inputs": inputs,
            **({"outputs": outputs} if outputs else {}),
        }

    def outputs(self, body: Any, count: int) -> list[Any]:
        """Return the output of each of `count` records. Raises `Unusable` for an answer of another form."""
        if not isinstance(body, dict) or not isinstance(body.get("outputs"), list):
            raise Unusable("the answer has no list of outputs")
        answered, wanted = body.get("model_version"), self._http.version
        if wanted is not None and answered is not None and str(answered) != wanted:
            raise Unusable(f"of version {str(answered)[:40]} of the model; candidate.http.version is {wanted}")
        rows = dict(_rows_of(tensor, count) for tensor in body["outputs"])
        places = {tensor.name: tensor.place for tensor in self._http.outputs} or {name: [name] for name in rows}
        for name in places:
            if name not in rows:
                raise Unusable(f"the answer has no tensor {name!r}; it has {', '.join(sorted(rows))[:100] or 'none'}")
        return [_output(places, rows, i) for i in range(count)]


def _elements(tensor: InputTensor, paths: Sequence[Sequence[str]], value: Any) -> list[Any]:
    found: list[Any] = []
    for path, names in zip(tensor.fields, paths, strict=True):
        part = value_at(value, names)
        if part is ABSENT or part is None:
            if tensor.default is None:
                raise CandidateError(f"InputUnusable: {path} is {'null' if part is None else 'absent'}")
            part = tensor.default
        parts = _flat(part, tensor.size + 1) if isinstance(part, list | tuple) and len(paths) == 1 else [part]
        try:
            found += [element(tensor.datatype, one) for one in parts]
        except ValueError as error:
            raise CandidateError(f"InputUnusable: {path}: {error}") from None
    if len(found) != tensor.size:
        more = f"{len(found)} elements" if len(found) < tensor.size else f"more than {tensor.size} elements"
        raise CandidateError(f"InputUnusable: {tensor.fields[0]}: {more}; tensor {tensor.name} takes {tensor.size}")
    return found


def _flat(values: Sequence[Any], limit: int) -> list[Any]:
    """Return the elements of nested lists in their order; at most about `limit` of them."""
    flat: list[Any] = []
    left = [iter(values)]
    while left and len(flat) < limit:
        for one in left[-1]:
            if isinstance(one, list | tuple):
                left.append(iter(one))
                break
            flat.append(one)
            if len(flat) >= limit:
                break
        else:
            left.pop()
    return flat


class _Tensor(NamedTuple):
    """One tensor of an answer: dimensions and elements of a record's row."""

    dimensions: list[int]
    elements: list[Any]

    def row(self, i: int) -> Any:
        size = math.prod(self.dimensions)
        if not size:
            return []  # whatever the other dimensions are: a row of no elements must take no memory
        part = self.elements[i * size : (i + 1) * size]
        return part[0] if self.dimensions in ([], [1]) else _nested(part, self.dimensions)


def _rows_of(tensor: Any, count: int) -> tuple[str, _Tensor]:
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise Unusable("an output has no name")
    name, shape, data, datatype = str(tensor["name"]), tensor.get("shape"), tensor.get("data"), tensor.get("datatype")
    about = f"tensor {name[:40]!r}"
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise Unusable(f"{about} has no shape")
    if shape[:1] != [count]:
        raise Unusable(f"{about} has the shape {str(shape)[:40]}; its first dimension must be {count}")
    if not isinstance(data, list) or not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise Unusable(f"{about} has no data of a known datatype")
    wanted = math.prod(shape)
    elements = _flat(data, wanted + 1)
    if len(elements) != wanted:
        raise Unusable(f"{about} holds another number of elements than its shape")
    if not all(one is not None for one in elements):
        raise Unusable(f"{about} holds null")
    try:
        return name, _Tensor(shape[1:], [element(cast("Datatype", datatype), one) for one in elements])
    except ValueError as error:
        raise Unusable(f"{about}: {error}") from None


def _nested(elements: list[Any], dimensions: Sequence[int]) -> list[Any]:
    if len(dimensions) <= 1:
        return elements
    size = math.prod(dimensions[1:])
    parts = (elements[i * size : (i + 1) * size] for i in range(dimensions[0]))
    return [_nested(part, dimensions[1:]) for part in parts]


def _output(places: dict[str, list[str]], tensors: dict[str, _Tensor], i: int) -> Any:
    output: Any = {}
    for name, place in places.items():
        if not place:
            return tensors[name].row(i)
        part = output
        for step in place[:-1]:
            part = part.setdefault(step, {})
        part[place[-1]] = tensors[name].row(i)
    return output
