"""Files for other tools: Weka's ARFF, and PMML 4.4 of a tree and of the segments.

References: Attribute-Relation File Format (Weka manual, ch. "ARFF"); Data Mining Group, PMML 4.4,
TreeModel and ClusteringModel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from training.anchor import FREQUENCY
from training.segments import Axis, Segments
from training.surrogate import SurrogateTree

Vector = NDArray[np.float64]
PMML = "http://www.dmg.org/PMML-4_4"


def arff_lines(
    relation: str,
    numbers: Mapping[str, Vector],
    nominal: Mapping[str, tuple[Sequence[str], Sequence[str | None]]],
) -> Iterator[str]:
    """Yield the lines of an ARFF file; a missing value is ``?``.

    Args:
        relation: its name.
        numbers: name → values, NaN where missing; written so that they read back to the bit.
        nominal: name → the words there are, and each row's.
    """
    yield f"@relation {_quoted(relation)}"
    for name in numbers:
        yield f"@attribute {_quoted(name)} numeric"
    for name, (words, _) in nominal.items():
        yield f"@attribute {_quoted(name)} {{{','.join(_quoted(word) for word in words)}}}"
    yield "@data"
    columns = [[_number(value) for value in values.tolist()] for values in numbers.values()]
    columns += [
        ["?" if word is None else _quoted(word) for word in rows] for _, rows in nominal.values()
    ]
    for row in zip(*columns, strict=True):
        yield ",".join(row)


def _quoted(text: str) -> str:
    if text.replace("_", "").isalnum() and text.isascii():
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _number(value: float) -> str:
    return "?" if value != value else repr(value)


def pmml_of_tree(tree: SurrogateTree, target: str, application: str) -> str:
    """Return a PMML document of a tree; missing values are replaced as the tree does."""
    root = _document(application, dict.fromkeys(tree.inputs) | {target: tree.labels})
    model = ET.SubElement(
        root,
        "TreeModel",
        modelName=f"{target}_rules",
        functionName="classification",
        splitCharacteristic="binarySplit",
    )
    schema = ET.SubElement(model, "MiningSchema")
    for name in tree.inputs:
        stand_in = repr(tree.stand_in[name])
        ET.SubElement(schema, "MiningField", name=name, missingValueReplacement=stand_in)
    ET.SubElement(schema, "MiningField", name=target, usageType="target")
    _add_node(model, tree, 0, None)
    return _written(root)


def _add_node(
    parent: ET.Element, tree: SurrogateTree, place: int, asked: tuple[str, str, float] | None
) -> None:
    node = tree.nodes[place]
    element = ET.SubElement(
        parent, "Node", id=str(place), score=node.label, recordCount=str(node.n)
    )
    if asked is None:
        ET.SubElement(element, "True")
    else:
        name, operator, edge = asked
        ET.SubElement(element, "SimplePredicate", field=name, operator=operator, value=repr(edge))
    if node.feature is not None:
        _add_node(element, tree, node.left, (node.feature, "lessOrEqual", node.threshold))
        _add_node(element, tree, node.right, (node.feature, "greaterThan", node.threshold))


def pmml_of_segments(segments: Segments, application: str) -> str | None:
    """Return a PMML document of the segments' centres; ``None`` where all are one segment.

    The output ``segment`` holds the code; customers without a purchase are those of the segment
    of prospects, where there is one.
    """
    if not segments.axes:
        return None
    root = _document(application, dict.fromkeys(segments.inputs))
    model = ET.SubElement(
        root,
        "ClusteringModel",
        modelName="segments",
        functionName="clustering",
        modelClass="centerBased",
        numberOfClusters=str(len(segments.segments)),
    )
    schema = ET.SubElement(model, "MiningSchema")
    for name in segments.inputs:
        ET.SubElement(schema, "MiningField", name=name)
    _add_output(model, segments)
    local = ET.SubElement(model, "LocalTransformations")
    for axis in segments.axes:
        _add_axis(local, axis)
    ET.SubElement(ET.SubElement(model, "ComparisonMeasure", kind="distance"), "squaredEuclidean")
    for axis in segments.axes:
        ET.SubElement(
            model, "ClusteringField", field=_place(axis.feature), compareFunction="absDiff"
        )
    for number, segment in enumerate(segments.segments, start=1):
        cluster = ET.SubElement(model, "Cluster", id=str(number), name=segment.code)
        array = ET.SubElement(cluster, "Array", n=str(len(segment.centre)), type="real")
        array.text = " ".join(repr(value) for value in segment.centre)
    return _written(root)


def _add_output(model: ET.Element, segments: Segments) -> None:
    output = ET.SubElement(model, "Output")
    ET.SubElement(
        output,
        "OutputField",
        name="nearest",
        optype="categorical",
        dataType="string",
        feature="predictedDisplayValue",
    )
    told = ET.SubElement(
        output,
        "OutputField",
        name="segment",
        optype="categorical",
        dataType="string",
        feature="transformedValue",
    )
    if segments.prospects is None:
        ET.SubElement(told, "FieldRef", field="nearest")
        return
    choice = ET.SubElement(told, "Apply", function="if")
    ET.SubElement(ET.SubElement(choice, "Apply", function="isMissing"), "FieldRef", field=FREQUENCY)
    constant = ET.SubElement(choice, "Constant", dataType="string")
    constant.text = segments.prospects.code
    ET.SubElement(choice, "FieldRef", field="nearest")


def _place(feature: str) -> str:
    return f"{feature}__place"


def _add_axis(local: ET.Element, axis: Axis) -> None:
    """Add ``(scale(clip(x)) - middle) / spread``, 0 where x is missing."""
    derived = ET.SubElement(
        local,
        "DerivedField",
        name=_place(axis.feature),
        optype="continuous",
        dataType="double",
    )
    choice = ET.SubElement(derived, "Apply", function="if")
    missing = ET.SubElement(choice, "Apply", function="isMissing")
    ET.SubElement(missing, "FieldRef", field=axis.feature)
    _constant(choice, 0.0)
    divided = ET.SubElement(choice, "Apply", function="/")
    centred = ET.SubElement(divided, "Apply", function="-")
    _add_scaled(centred, axis)
    _constant(centred, axis.middle)
    _constant(divided, axis.spread)


def _add_scaled(parent: ET.Element, axis: Axis) -> None:
    if not axis.is_logged:
        _add_clipped(parent, axis)
        return
    choice = ET.SubElement(parent, "Apply", function="if")
    below = ET.SubElement(choice, "Apply", function="lessThan")
    _add_clipped(below, axis)
    _constant(below, 0.0)
    mirrored = ET.SubElement(choice, "Apply", function="-")
    _constant(mirrored, 0.0)
    inverted = ET.SubElement(ET.SubElement(mirrored, "Apply", function="ln"), "Apply", function="-")
    _constant(inverted, 1.0)
    _add_clipped(inverted, axis)
    added = ET.SubElement(ET.SubElement(choice, "Apply", function="ln"), "Apply", function="+")
    _constant(added, 1.0)
    _add_clipped(added, axis)


def _add_clipped(parent: ET.Element, axis: Axis) -> None:
    least = ET.SubElement(parent, "Apply", function="min")
    most = ET.SubElement(least, "Apply", function="max")
    ET.SubElement(most, "FieldRef", field=axis.feature)
    _constant(most, axis.low)
    _constant(least, axis.high)


def _constant(parent: ET.Element, value: float) -> None:
    ET.SubElement(parent, "Constant", dataType="double").text = repr(value)


def _document(application: str, fields: Mapping[str, Sequence[str] | None]) -> ET.Element:
    """Return the head of a document with ``fields``; those with words are nominal."""
    root = ET.Element("PMML", version="4.4", xmlns=PMML)
    header = ET.SubElement(root, "Header", description="Made by Echelon")
    ET.SubElement(header, "Application", name="Echelon", version=application)
    dictionary = ET.SubElement(root, "DataDictionary", numberOfFields=str(len(fields)))
    for name, words in fields.items():
        kind = ("continuous", "double") if words is None else ("categorical", "string")
        field = ET.SubElement(dictionary, "DataField", name=name, optype=kind[0], dataType=kind[1])
        for word in words or ():
            ET.SubElement(field, "Value", value=word)
    return root


def _written(root: ET.Element) -> str:
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
