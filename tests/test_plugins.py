"""The plug-in table finds what is installed, and says what is wrong with what is not."""

from importlib.metadata import EntryPoint

import pytest

from uniscene_sim import conformance, plugins
from uniscene_sim.errors import InputError


def offer(monkeypatch, *values, name="mine"):
    points = [EntryPoint(name, value, "uniscene_sim.camera") for value in values]
    monkeypatch.setattr(plugins, "entry_points", lambda group: points)


def test_built_in_engines_are_installed():
    assert "procedural" in plugins.plugin_names("occupancy")
    assert "raycast" in plugins.plugin_names("camera")
    assert "raycast" in plugins.plugin_names("lidar")
    for slot in plugins.SLOTS:
        for name in plugins.plugin_names(slot):
            assert plugins.load_plugin(slot, name).name == name


def test_unknown_name_lists_what_exists():
    with pytest.raises(InputError, match=r"no camera engine 'dream'; installed: .*raycast"):
        plugins.load_plugin("camera", "dream")


def test_duplicate_raises(monkeypatch):
    offer(monkeypatch, "a:A", "b:B")
    with pytest.raises(InputError, match="offered twice"):
        plugins.plugin_names("camera")


def test_broken_engine_fails_loudly(monkeypatch):
    offer(monkeypatch, "no_such_module_at_all:Engine")
    with pytest.raises(InputError, match=r"mine.*cannot be loaded: ModuleNotFoundError: No module named"):
        plugins.load_plugin("camera", "mine")


def test_unknown_name_suggests_a_close_one():
    with pytest.raises(InputError, match=r"no camera engine 'raycats' \(did you mean raycast\?\)"):
        plugins.load_plugin("camera", "raycats")


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("math:no_such_attribute", "cannot be loaded: .*no_such_attribute"),
        ("math:pi", "is not a class"),
        ("collections:Counter", "has name = None; expected a string"),
    ],
)
def test_broken_engine_says_what_is_wrong(monkeypatch, value, wrong):
    offer(monkeypatch, value)
    with pytest.raises(InputError, match=rf"mine.*{wrong}"):
        plugins.load_plugin("camera", "mine")


def test_missing_method_is_named(monkeypatch):
    offer(monkeypatch, "uniscene_sim.occupancy.procedural.engine:ProceduralOccupancy", name="procedural")
    with pytest.raises(InputError, match=r"procedural.*lacks step\(\)"):
        plugins.load_plugin("camera", "procedural")


def test_duplicate_names_both_distributions(tmp_path, monkeypatch):
    for dist in ("first_cameras", "second_cameras"):
        info = tmp_path / f"{dist}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[uniscene_sim.camera]\nmine = math:sqrt\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"offered twice.*_cameras 1\.0 and .*_cameras 1\.0"):
        plugins.plugin_names("camera")


class Stop(BaseException):
    """Neither an error nor an interrupt."""


#: What a module may do when it is imported, or a class when it is constructed.
ENDS = {"exit": "import sys; sys.exit(0)", "silent": "raise SystemExit", "stop": "raise BaseException('enough')",
        "generator": "raise GeneratorExit", "error": "1 / 0", "assert": "assert 0", "syntax": "def"}  # fmt: skip
MODULE = """
class Mine:
    name = "mine"

    def __init__(self):
        {constructor}

    def step(self, state, views, specs):
        return state, [{{}} for _ in views]
"""


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """Writes a module of others with the class `Mine`; its name is new each time."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        name = f"others_{abs(hash((request.node.name, text)))}"
        (tmp_path / f"{name}.py").write_text(text)
        return f"{name}:Mine"

    return write


@pytest.mark.parametrize("how", ENDS)
def test_whatever_a_module_raises_at_import_is_one_error(monkeypatch, module, how):
    value = module(ENDS[how])
    offer(monkeypatch, value)
    with pytest.raises(InputError, match=r"^camera: camera engine 'mine'.* cannot be loaded: \w+") as caught:
        plugins.load_plugin("camera", "mine")
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 300
    with pytest.raises(InputError, match=r"NAME: .*cannot be loaded"):
        next(iter(conformance.check("camera", value)))


@pytest.mark.parametrize("how", sorted({*ENDS} - {"syntax"}))
def test_whatever_a_constructor_raises_is_one_error(monkeypatch, module, how):
    value = module(MODULE.format(constructor=ENDS[how]))
    offer(monkeypatch, value)
    with pytest.raises(InputError, match=r"^camera: camera engine 'mine' cannot be constructed: \w+"):
        plugins.construct("camera", plugins.load_plugin("camera", "mine"))
    with pytest.raises(InputError, match=r"^NAME: camera engine 'mine' cannot be constructed: \w+"):
        next(iter(conformance.check("camera", value)))


def test_an_interrupt_stays_one(monkeypatch, module):
    offer(monkeypatch, module("raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        plugins.load_plugin("camera", "mine")


def test_bugs_of_our_own_stay_what_they_are(monkeypatch):
    monkeypatch.setattr("uniscene_sim.camera.raycast.engine.PlainCameras.__init__", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plugins.construct("camera", plugins.load_plugin("camera", "raycast-plain"))


@pytest.mark.parametrize("given", [None, 3, b"raycast", ["raycast"], 1.5])
def test_a_name_is_a_text(given):
    with pytest.raises(InputError, match=r"^--camera: expected the name of an engine, got "):
        plugins.load_plugin("camera", given, "--camera")


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ("name = 5", "has name = 5; expected a string"),
        ("step = 5", r"lacks step\(\)"),
        ("name = property(lambda self: 1 / 0)", "has name = .*; expected a string"),
        ("Options = 5", "its Options must be a dataclass, is 5"),
        ("class Options: ...", "its Options must be a dataclass"),
    ],
)
def test_what_load_plugin_refuses_check_refuses_too(monkeypatch, module, more, wrong):
    value = module(MODULE.format(constructor="pass") + f"\n    {more}\n")
    offer(monkeypatch, value)
    for refuse in (
        lambda: plugins.load_plugin("camera", "mine"),
        lambda: next(iter(conformance.check("camera", value))),
    ):
        with pytest.raises(InputError, match=wrong):
            refuse()


@pytest.mark.parametrize("kinds", ["schemes = 'mine'", "schemes = None", "suffixes = (5,)", "suffixes = 7"])
def test_a_source_says_what_it_opens_in_tuples_of_strings(monkeypatch, kinds):
    methods = {m: lambda self: None for m in plugins._methods("source")}
    kind, _, value = kinds.partition(" = ")
    source = type("Mine", (), {"name": "mine", **methods, kind: eval(value)})
    with pytest.raises(InputError, match=f"mine has {kind} = .*; expected a tuple of strings"):
        plugins.require_plugin("source", source, "mine")
