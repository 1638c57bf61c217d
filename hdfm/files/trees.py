"""Kinds of xarray's arrays, datasets and trees."""

from typing import Any

import xarray as xr
from xarray.indexes import PandasIndex

from hdfm.files.nodes import Kind, Reader, Writer

THIS = "this"  # what the variable of an array is called in its dataset


def _dataset_parts(dataset: xr.Dataset, writer: Writer) -> dict[str, Any]:
    for name, index in dataset.xindexes.items():
        if type(index) is not PandasIndex or dataset[name].dims != (name,):
            raise writer.refusal(f"an {type(index).__name__} of the coordinate {name!r}")
    variables = []
    for name, variable in dataset.variables.items():
        with writer.at(name):
            data = variable.to_numpy() if name in dataset.xindexes else variable.data
            variables.append(
                [
                    writer.node(name),
                    writer.nodes(list(variable.dims)),
                    writer.node(data),
                    writer.node(variable.attrs),
                ]
            )
    return {
        "variables": variables,
        "coordinates": writer.nodes(list(dataset.coords)),
        "attrs": writer.node(dataset.attrs),
    }


def _dataset(parts: dict[str, Any], reader: Reader) -> xr.Dataset:
    variables = {
        reader.value(name): xr.Variable(reader.values(dims), reader.value(data), reader.value(attrs))
        for name, dims, data, attrs in parts["variables"]
    }
    coordinates = {name: variables.pop(name) for name in reader.values(parts["coordinates"])}
    return xr.Dataset(variables, coordinates, reader.value(parts["attrs"]))


def _data_array_parts(array: xr.DataArray, writer: Writer) -> dict[str, Any]:
    return {"dataset": writer.node(array.to_dataset(name=THIS)), "name": writer.node(array.name)}


def _data_array(parts: dict[str, Any], reader: Reader) -> xr.DataArray:
    return reader.value(parts["dataset"])[THIS].rename(reader.value(parts["name"]))


def _tree_parts(tree: xr.DataTree, writer: Writer) -> dict[str, Any]:
    datasets = []
    for path, part in tree.subtree_with_keys:
        with writer.at(path):
            datasets.append([path, writer.node(part.to_dataset(inherit=False))])
    return {"datasets": datasets, "name": writer.node(tree.name)}


def _tree(parts: dict[str, Any], reader: Reader) -> xr.DataTree:
    datasets = {f"/{path.removeprefix('.')}": reader.value(dataset) for path, dataset in parts["datasets"]}
    return xr.DataTree.from_dict(datasets, name=reader.value(parts["name"]))


KINDS = (
    Kind("dataset", (xr.Dataset,), _dataset_parts, _dataset),
    Kind("data_array", (xr.DataArray,), _data_array_parts, _data_array),
    Kind("tree", (xr.DataTree,), _tree_parts, _tree),
)
