"""Saved files with other members, and checksums that are right again."""

import io
import json
import zipfile

import numpy as np


def members(path):
    """The members of a file by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, changes):
    """Write a file anew with some members changed, or left out where None; JSON by a function of it."""
    content = members(path)
    for name, change in changes.items():
        if callable(change):
            document = json.loads(content[name])
            content[name] = json.dumps(change(document) or document).encode()
        else:
            content[name] = change
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("hdfm.json"), content.pop("hdfm.json", None) or b"")
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def npy(array, **options):
    """An array as the bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def nodes_of(document, kind):
    """All nodes of a kind in a JSON document."""
    if isinstance(document, list):
        return [node for part in document for node in nodes_of(part, kind)]
    if not isinstance(document, dict):
        return []
    inner = [node for part in document.values() for node in nodes_of(part, kind)]
    return [document, *inner] if document.get("kind") == kind else inner
