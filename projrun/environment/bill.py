"""An environment as a bill of materials: CycloneDX 1.6 (https://cyclonedx.org/specification/overview/)."""

from __future__ import annotations

import importlib.metadata
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import projrun
from projrun.environment import installed
from projrun.environment.exported import Contents
from projrun.environment.lock import LockLine, as_requirement, normalised

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

_LONGEST_LICENCE = 100  # characters; some put the whole text there
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
_CLASSIFIER = "License :: "
# Types of purl. Whose distribution it is was not recorded, so none of these has a namespace.
_PURL_TYPES = {"dpkg": "deb", "rpm": "rpm", "apk": "apk"}

_Metadata = Mapping[str, importlib.metadata.Distribution]


def cyclonedx(contents: Contents) -> str:
    """The bill as JSON: the project, its interpreter, and every package with the hashes of its files in the lock.

    Licences, and what needs what, are known when the environment is built here.
    """
    return _text(_bill(contents))


def cyclonedx_of_image(recipe: Mapping[str, Any]) -> str:
    """The bill of what a recipe recorded of an image, as JSON: the project, the image, and what is inside.

    That is Python's distributions and the packages of the system. Raises LookupError for a recipe without them.
    """
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    environment = recipe["environment"]
    built = environment["container"]["image"]
    root = Component(
        name=recipe["spec"]["project"],
        version=recipe["source"]["commit"],
        type=ComponentType.APPLICATION,
        bom_ref="project",
    )
    image = Component(
        name=built["reference"] or "image", version=built["id"], type=ComponentType.CONTAINER, bom_ref="image"
    )
    inside = list(_inside(environment))
    about = BomMetaData(
        component=root,
        tools=ToolRepository(
            components=[Component(name="projrun", version=projrun.__version__, type=ComponentType.APPLICATION)]
        ),
        timestamp=datetime.fromisoformat(recipe["created"].replace("Z", "+00:00")),
    )
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:projrun:{environment['key']}:{recipe['run']}")
    bill = Bom(metadata=about, components=[image, *inside], serial_number=serial)
    bill.register_dependency(root, [image])
    bill.register_dependency(image, inside)
    return _text(bill)


def _text(bill: Bom) -> str:
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    return make_outputter(bill, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"


def _bill(contents: Contents) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.tool import ToolRepository

    metadata = _metadata(contents)
    tool = Component(name="projrun", version=projrun.__version__, type=ComponentType.APPLICATION)
    root = Component(
        name=contents.project, version=contents.version, type=ComponentType.APPLICATION, bom_ref="project"
    )
    python = Component(
        name=contents.interpreter.implementation,
        version=contents.interpreter.version,
        type=ComponentType.PLATFORM,
        bom_ref="python",
    )
    packages = {line.name: _component(line, metadata) for line in contents.applying}
    about = BomMetaData(
        component=root,
        tools=ToolRepository(components=[tool]),
        timestamp=_created(contents),
        properties=_properties(contents),
    )
    serial = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:projrun:{contents.key}:{contents.run or ''}")
    bill = Bom(metadata=about, components=[python, *packages.values()], serial_number=serial)
    needs = _needs(packages, metadata, contents)
    needed = {name for names in needs.values() for name in names}
    # What nobody needs is what the project asks for; where nothing is known of that, it is all of them.
    direct = [component for name, component in packages.items() if name not in needed]
    bill.register_dependency(root, [python, *direct])
    for name, names in needs.items():
        bill.register_dependency(packages[name], [packages[other] for other in names])
    return bill


def _component(line: LockLine, metadata: _Metadata) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    known = metadata.get(line.name)
    return Component(
        name=line.name,
        version=line.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{line.name}=={line.version}",
        purl=PackageURL("pypi", None, line.name, line.version),
        hashes=[
            HashType(alg=HashAlgorithm(_ALGORITHMS[algorithm]), content=digest)
            for algorithm, _, digest in (value.partition(":") for value in line.hashes)
            if algorithm in _ALGORITHMS
        ],
        licenses=_licences(known.metadata) if known else (),
    )


def _licences(metadata: Any) -> list[Any]:
    """The licences as the package's metadata (PEP 639, else the older fields) tells them."""
    from cyclonedx.model.license import DisjunctiveLicense

    for field in ("License-Expression", "License"):
        text = (metadata.get(field) or "").strip()
        if text and "\n" not in text and len(text) <= _LONGEST_LICENCE and text != "UNKNOWN":
            return [_licence(text)]
    classifiers = [text for text in metadata.get_all("Classifier") or () if text.startswith(_CLASSIFIER)]
    names = dict.fromkeys(text.rpartition(" :: ")[2] for text in classifiers)
    return [DisjunctiveLicense(name=name) for name in names]


def _licence(text: str) -> Any:
    """An identifier or expression of SPDX, or the name that somebody gave."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from cyclonedx.spdx import fixup_id, is_expression

    if identifier := fixup_id(text):
        return DisjunctiveLicense(id=identifier)
    return LicenseExpression(text) if is_expression(text) else DisjunctiveLicense(name=text)


def _needs(
    packages: Mapping[str, object], metadata: _Metadata, contents: Contents
) -> Mapping[str, tuple[str, ...]]:
    """Which packages each package needs, without those of extras that were not asked for."""
    extras = {line.name: line.extras for line in contents.applying}
    found = {}
    for name in packages:
        needs = metadata[name].requires if name in metadata else None
        requirements = filter(None, map(as_requirement, needs or ()))
        names = (
            normalised(one.name)
            for one in requirements
            if one.marker is None or _holds(one.marker, contents, extras[name])
        )
        found[name] = tuple(dict.fromkeys(other for other in names if other in packages and other != name))
    return found


def _holds(marker: Any, contents: Contents, extras: Iterable[str]) -> bool:
    environments = ({**contents.interpreter.markers, "extra": extra} for extra in ("", *extras))
    return any(marker.evaluate(environment) for environment in environments)


def _metadata(contents: Contents) -> _Metadata:
    """The metadata of what is installed, when the environment is here."""
    if contents.directory is None:
        return {}
    folder = installed.site_packages(contents.directory, contents.interpreter.version)
    found = importlib.metadata.distributions(path=[str(folder)])
    return {normalised(one.metadata["Name"]): one for one in found if one.metadata["Name"]}


def _created(contents: Contents) -> datetime | None:
    if contents.created is None:
        return None
    return datetime.strptime(contents.created, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def _properties(contents: Contents) -> list[Any]:
    from cyclonedx.model import Property

    facts = {"platform": contents.platform, "environment-key": contents.key, "run": contents.run}
    return [Property(name=f"projrun:{name}", value=value) for name, value in facts.items() if value]


def _inside(environment: Mapping[str, Any]) -> Iterator[Component]:
    from packageurl import PackageURL

    for one in environment["installed"]:
        yield _part(PackageURL("pypi", None, one["name"], one["version"]))
    for one in environment["container"]["packages"]:
        qualifiers = {"arch": one["architecture"]} if one["architecture"] else None
        yield _part(PackageURL(_PURL_TYPES[one["manager"]], None, one["name"], one["version"], qualifiers))


def _part(purl: Any) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        name=purl.name, version=purl.version, type=ComponentType.LIBRARY, bom_ref=purl.to_string(), purl=purl
    )
