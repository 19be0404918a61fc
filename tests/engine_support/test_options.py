"""Options of engines: one grammar, checked wherever an engine is named."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from uniscene_sim import plugins
from uniscene_sim.engine_support.options import option_text, parse_options
from uniscene_sim.errors import InputError
from uniscene_sim.occupancy.tile_cache import TileCache


class Engine:
    name = "dream"

    @dataclass(frozen=True)
    class Options:
        model: str = "tinyvideo"
        steps: int = 4
        strength: float = 0.5
        joint: bool = False
        device: Literal["cpu", "cuda"] = "cpu"
        weights: Path | None = None

        def __post_init__(self):
            if self.steps < 1:
                raise InputError(f"must be at least 1, got {self.steps}", field="steps")

    def __init__(self, options=Options()):
        self.options = options

    def step(self, state, views, specs):
        return state, [{} for _ in views]


class Plain:
    name = "plain"

    def step(self, state, views, specs):
        return state, [{} for _ in views]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, {}),
        ("model=", {"model": ""}),
        ("weights=", {"weights": None}),
        ("steps=+3,strength=.5e+1", {"steps": 3, "strength": 5.0}),
        ("tinyvideo", {}),
        ("model=tinyvideo", {}),
        ("big", {"model": "big"}),
        ("/data/my:model/v=3", {"model": "/data/my:model/v=3"}),
        ("model=/data/v=3", {"model": "/data/v=3"}),
        ("model=http://host:80/x?y=z", {"model": "http://host:80/x?y=z"}),
        ("big,steps=8", {"model": "big", "steps": 8}),
        ("steps=8,strength=1e-2,joint=true,device=cuda,weights=a/b",
         {"steps": 8, "strength": 0.01, "joint": True, "device": "cuda", "weights": Path("a/b")}),
    ],
)  # fmt: skip
def test_what_is_written_is_what_the_engine_gets(text, expected):
    assert parse_options(Engine, text, "camera") == Engine.Options(**expected)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("modle=x", r"dream has no option 'modle' \(did you mean model\?\); expected model, steps, strength"),
        ("qqq=x", "dream has no option 'qqq'; expected model"),
        ("", "expected option=value, got ''"),
        ("a,", "expected option=value, got ''"),
        ("a,b", "expected option=value, got 'b'"),
        ("a,model=b", "option 'model' is given twice"),
        ("steps=2,steps=3", "option 'steps' is given twice"),
        ("steps=", "option 'steps': expected a whole number, got ''"),
        ("steps=2.5", "option 'steps': expected a whole number, got '2.5'"),
        ("strength=much", "option 'strength': expected a number, got 'much'"),
        ("joint=yes", "option 'joint': expected true or false, got 'yes'"),
        ("device=tpu", "option 'device': expected one of cpu, cuda, got 'tpu'"),
        ("steps=0", "dream: steps: must be at least 1, got 0"),
        ("joint=", "option 'joint': expected true or false, got ''"),
        ("device=", "option 'device': expected one of cpu, cuda, got ''"),
        ("strength=", "option 'strength': expected a number, got ''"),
        *(
            (f"{key}={text}", f"option '{key}': expected a .*number")
            for key in ("steps", "strength")
            for text in (
                "1_0",
                "\u0663",
                "\uff11",
                "nan",
                "1e999",
                "inf",
                "-Infinity",
                " 1",
                "1 ",
                "0x1",
                "1e",
                "+",
                "--1",
            )
        ),
        ("steps=" + "9" * 400, "option 'steps': expected a whole number of at most 18 digits, got '999.*"),
    ],
)
def test_what_will_not_do_is_named(text, wrong):
    with pytest.raises(InputError, match=f"^--camera: .*{wrong}"):
        parse_options(Engine, text, "--camera")


@dataclass
class NoDefault:
    model: str


@dataclass
class Empty:
    pass


@dataclass
class Fails:
    model: str = "x"

    def __post_init__(self):
        raise ValueError("not today")


@dataclass
class Exits(Fails):
    def __post_init__(self):
        raise SystemExit(0)


@dataclass
class Listed:
    models: list[str] | None = None


@dataclass
class Several:
    model: "int | str" = 1


@dataclass
class Unknown:
    model: "Nowhere" = 1  # noqa: F821


@pytest.mark.parametrize(
    ("declared", "wrong"),
    [
        (5, "its Options must be a dataclass, is 5"),
        (str, "its Options must be a dataclass, is <class 'str'>"),
        (Engine.Options(), "its Options must be a dataclass, is "),
        (Empty, "its Options must have a field for each option, has none"),
        (NoDefault, "its Options must have defaults, 'model' has none"),
        (Fails, "its options '(x=1)?' cannot be used: ValueError: not today|has no option 'x'"),
        (Exits, "its options '' cannot be used: SystemExit: 0|has no option 'x'"),
        (Listed, r"must be of type str, int, .*; 'models' is of type list\[str\] \| None"),
        (Several, r"must be of type str, int, .*; 'model' is of type int \| str"),
        (Unknown, "its Options cannot be used: NameError: name 'Nowhere' is not defined"),
    ],
)
@pytest.mark.parametrize("text", [None, "x=1", "1"])
def test_options_that_are_not_as_they_should_be_are_told(declared, wrong, text):
    engine = type("Odd", (Plain,), {"name": "odd", "Options": declared})
    if text == "1" and declared in (Fails, Exits):
        wrong = "its options '1' cannot be used"
    with pytest.raises(InputError, match=f"^--camera: odd.*({wrong})"):
        parse_options(engine, text, "--camera")


def test_an_engine_without_options_takes_none():
    assert parse_options(Plain, None, "camera") is None
    with pytest.raises(InputError, match="camera: plain takes no options, got 'x=1'"):
        parse_options(Plain, "x=1", "camera")
    with pytest.raises(InputError, match="camera: raycast takes no options, got 'fast'"):
        plugins.load_plugin("camera", "raycast:fast")


def test_options_that_are_as_by_default_are_not_told():
    assert option_text(Engine.Options()) == option_text(Engine.Options("tinyvideo", steps=4)) == ""
    assert option_text(Engine.Options("x", joint=True)) == "model=x,joint=True"


class _Point:
    def __init__(self, engine):
        self.name, self.value, self.dist, self.load = engine.name, f"tests:{engine.__name__}", None, lambda: engine


def test_the_table_gives_a_class_with_its_options(monkeypatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [_Point(Engine), _Point(Plain)])
    made = plugins.load_plugin("camera", "dream:big,steps=2")
    assert made().options == Engine.Options("big", 2) and made.option_text == "model=big,steps=2"
    assert made.name == "dream" and isinstance(made(), Engine)
    assert plugins.load_plugin("camera", "dream") is plugins.load_plugin("camera", "dream:tinyvideo") is Engine
    assert plugins.load_plugin("camera", "plain") is Plain
    with pytest.raises(InputError, match=r"no camera engine 'draem' \(did you mean dream\?\)"):
        plugins.load_plugin("camera", "draem:big")
    assert plugins.installed("camera", "dream:big") and not plugins.installed("camera", "tests.dream:Engine")


def test_options_stand_in_the_keys_of_tiles():
    class Tiles(Plain):
        cache_key = "code"

    def names(**attributes):
        engine = type("Tiles", (Tiles,), attributes)()
        return TileCache(None, "map", 1, engine)._name(0, 0)

    assert names() == names(option_text="") != names(option_text="model=x") != names(option_text="model=y")


def test_methods_are_those_of_the_protocols():
    assert set(plugins._methods("source")) == {"open", "reset", "step", "driver_control"}
    assert plugins._methods("camera") == plugins._methods("lidar") == ("step",)
    assert plugins._methods("occupancy") == ("tile",)
    assert set(plugins._methods("sink")) == {"open", "add", "close", "__enter__", "__exit__"}
