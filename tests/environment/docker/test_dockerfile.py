"""Which images a Dockerfile names, as far as a target needs them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projrun.core.errors import EnvironmentFailure
from projrun.environment.docker.dockerfile import Build, parse

DIGEST = f"sha256:{'a' * 64}"


def named(text: str, target: str | None = None, **arguments: str) -> list[tuple[str, int]]:
    build = Build(target, arguments, "linux/arm64/v8", "linux/amd64")
    return [(one.reference, one.line) for one in parse(text, "Dockerfile", build)]


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("FROM base:1\n", ["base:1"]),
        ("\ufefffrom base:1", ["base:1"]),
        ("# a comment\n\n  # another\nFROM --platform=linux/amd64 base AS build\r\nRUN true\r\n", ["base"]),
        (f"FROM base:1@{DIGEST}\n", [f"base:1@{DIGEST}"]),
        ("FROM scratch\nCOPY a /a\n", []),
        ("FROM localhost:5000/some/name:1.2\n", ["localhost:5000/some/name:1.2"]),
        ("FROM \\\n  # within\n\n  base:1 \\\n  AS one\n", ["base:1"]),
        ("# escape=`\nFROM `\n base:1\nRUN dir c:\\\n", ["base:1"]),
        ("# syntax = front/end:1\nFROM base:1\n", ["front/end:1", "base:1"]),
        ("# a comment before\n# syntax=front/end:1\nFROM base:1\n", ["base:1"]),
        ("FROM base:1 AS Build\nFROM other:2\nCOPY --from=build /a /a\n", ["base:1", "other:2"]),
        ("FROM base:1\nFROM other:2\nCOPY --chown=1:2 --from=0 /a /a\n", ["base:1", "other:2"]),
        ("FROM base:1 AS build\nFROM other:2\n", ["other:2"]),
        ("FROM base:1 AS one\nFROM one\nFROM two AS one\nFROM one\n", ["two"]),
        ("FROM base:1\nCOPY --from=tools:3 /a /a\nADD --from=scratch a b\n", ["base:1", "tools:3"]),
        ("FROM base:1\nRUN --mount=type=bind,from=tools:3,target=/t --network=none make\n", ["base:1", "tools:3"]),
        ("FROM base:1\nRUN --mount=type=cache,target=/t --mount=from=tools:3 make\n", ["base:1", "tools:3"]),
        ("FROM base:1\nONBUILD COPY --from=tools:3 /a /a\n", ["base:1", "tools:3"]),
        ("FROM base:1\nRUN <<EOF\nFROM trap:1\nEOF\nCOPY <<-'A' <<B /x/\n\tA\nFROM trap:2\nB\n", ["base:1"]),
        ('FROM base:1\nRUN echo "<<EOF" $((1 << 2))\nCOPY --from=tools:3 a b\n', ["base:1", "tools:3"]),
        ("FROM base:1\nRUN one \\\n# FROM trap:1\n  && two \\\n\n  && three\nCOPY --from=x a b", ["base:1", "x"]),
    ],
)
def test_the_images_that_the_target_needs(text: str, references: list[str]) -> None:
    assert [reference for reference, _ in named(text)] == references


@pytest.mark.parametrize(
    ("written", "given_arguments", "reference"),
    [
        ("ARG TAG=1\nFROM base:$TAG", {}, "base:1"),
        ("ARG TAG=1\nFROM base:${TAG}", {"TAG": "2"}, "base:2"),
        ("ARG TAG\nFROM base:${TAG:-3}", {}, "base:3"),
        ("ARG TAG=\nFROM base:${TAG-3}x", {}, "base:x"),
        ("ARG TAG\nFROM base${TAG:+:with-}${TAG}", {"TAG": "t"}, "base:with-t"),
        ("ARG TAG\nFROM base${TAG:+:with}", {}, "base"),
        ("ARG A='1' B=\"${A}.2\"\nFROM base:$B", {}, "base:1.2"),
        ("ARG A=a\nARG B=${X:-${A}b}\nFROM base:${B}", {}, "base:ab"),
        ("ARG A\nFROM ${A:-'quoted'}", {}, "quoted"),
        ("FROM base:$TARGETARCH-$BUILDARCH$TARGETVARIANT", {}, "base:arm64-amd64v8"),
    ],
)
def test_arguments_are_filled_in(written: str, given_arguments: dict[str, str], reference: str) -> None:
    assert [found for found, _ in named(written, **given_arguments)] == [reference]


def test_a_stage_is_chosen_by_name_or_number() -> None:
    text = "FROM a AS one\nFROM b AS two\nFROM c\nCOPY --from=one / /\n"
    assert named(text, "ONE") == [("a", 1)]
    assert named(text, "1") == [("b", 2)]
    assert named(text) == [("a", 1), ("c", 3)]


def test_the_platform_of_a_line_and_how_to_write_it_are_told() -> None:
    [one] = parse("FROM --platform=$BUILDPLATFORM base AS x", "f", Build(host="linux/amd64"))
    assert (one.platform, one.written) == ("linux/amd64", "FROM --platform=linux/amd64 {} AS x")


def test_a_syntax_line_means_nothing_to_a_builder_without_frontends() -> None:
    assert not parse("# syntax=front:1\nFROM scratch\n", "f", Build(frontend=False))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "some/Dockerfile: there is no FROM"),
        ("# nothing\n", "some/Dockerfile: there is no FROM"),
        ("RUN true\nFROM a", "some/Dockerfile:1: RUN comes before FROM"),
        ("FROM a\nRNU true", "some/Dockerfile:2: RNU is no instruction"),
        ("FROM", "some/Dockerfile:1: FROM"),
        ("FROM a b", "some/Dockerfile:1: FROM a b is not understood"),
        ("FROM a AS -x", "some/Dockerfile:1: '-x' is no name of a stage"),
        ("FROM --pull=always a", "some/Dockerfile:1: FROM knows no --pull"),
        ("\nFROM $NOTHING", "some/Dockerfile:2: FROM names no image"),
        ("FROM ${X", r"some/Dockerfile:1: '\$\{X' is not understood"),
        ("FROM ${X/a/b}", "some/Dockerfile:1: .* is not understood"),
        ("ARG X\nFROM ${X:?which}", "some/Dockerfile:2: X is not set"),
        ("FROM 'a", "some/Dockerfile:1: .* has a quote without its end"),
        ("FROM a\nRUN <<EOF\n", "some/Dockerfile:2: the here-document EOF has no end"),
        ("# escape=x\nFROM a", "some/Dockerfile:1: escape=x is no escape"),
        ("# syntax=a\n# syntax=b\nFROM a", "some/Dockerfile:2: the directive syntax is there twice"),
        ("FROM a AS x\nCOPY --from=x a b", "some/Dockerfile:2: --from=x is the stage itself"),
        ("FROM a\nCOPY --from=7 a b", "some/Dockerfile:2: there is no stage 7"),
        ("FROM a\nCOPY --from=$X a b", r"some/Dockerfile:2: --from=\$X: no variable can stand there"),
        ('FROM a\nRUN --mount="type true', "some/Dockerfile:2: .* is not understood"),
        ("FROM a;rm", "some/Dockerfile:1: .* is no name of an image"),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_line(text: str, place: str) -> None:
    with pytest.raises(EnvironmentFailure, match=place):
        parse(text, "some/Dockerfile", Build())


def test_a_stage_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(EnvironmentFailure, match="f: there is no stage 'tset' in it") as raised:
        parse("FROM a AS test\nFROM b AS train", "f", Build("tset"))
    assert raised.value.hint == "environment.docker.target: test"


def test_an_argument_that_reaches_nothing_is_refused() -> None:
    text = "FROM a\nARG VERSION\n"
    assert named(text, VERSION="1", HTTP_PROXY="p", BUILDKIT_INLINE_CACHE="1") == [("a", 1)]
    with pytest.raises(EnvironmentFailure, match="no ARG in it takes the argument VERSON") as raised:
        named(text, VERSON="1")
    assert "VERSION" in raised.value.hint


PIECES = st.sampled_from(
    [
        *(
            "FROM ",
            "ARG ",
            "RUN ",
            "COPY --from=",
            "ONBUILD ",
            "a",
            "AS x",
            "0",
            "E",
            "<<E",
            "syntax=",
            "escape=`",
        ),
        *("${", "}", ":-", "$X", "\\", "`", "\n", "\r\n", " ", "\t", "#", '"', "'", "--", "--mount=", "=", ","),
        *("\0", "\x85", "é"),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60), st.none() | st.text(max_size=5))
def test_any_text_is_read_or_refused(text: str, target: str | None) -> None:
    try:
        found = parse(text, "Dockerfile", Build(target, {}, "linux/amd64", "linux/amd64"))
    except EnvironmentFailure as failure:
        assert failure.what.startswith("Dockerfile:")
        assert failure.hint
    else:
        assert all(1 <= one.line <= text.count("\n") + 1 for one in found)
        assert all(one.reference for one in found)
