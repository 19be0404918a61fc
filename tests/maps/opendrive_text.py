"""OpenDRIVE files of a few roads, as text."""

from __future__ import annotations


def lane(number: int, width: str = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>', more: str = "", **values) -> str:
    """A lane; `more` follows its widths, `values` are its attributes."""
    said = "".join(f' {k}="{v}"' for k, v in ({"type": "driving"} | values).items())
    return f'<lane id="{number}"{said}>{width}{more}</lane>'


def road(name: str, lanes: str = "", **o) -> str:
    """A road along x of 200 m with lanes 1 and -1, unless told otherwise."""
    length = o.get("length", 200)
    shape = o.get("geometry", f'<geometry s="0" x="{o.get("x", 0)}" y="{o.get("y", 0)}" hdg="{o.get("hdg", 0)}" '
                  f'length="{length}">{o.get("shape", "<line/>")}</geometry>')  # fmt: skip
    lanes = lanes or f"<left>{lane(1)}</left><right>{lane(-1)}</right>"
    sections = o.get("sections", f'<laneSection s="0">{lanes}</laneSection>')
    return f"""<road id="{name}" length="{length}" junction="{o.get("junction", -1)}"><link>{o.get("link", "")}</link>
      {o.get("type", "")}<planView>{shape}</planView><elevationProfile>{o.get("elevation", "")}</elevationProfile>
      <lateralProfile>{o.get("lateral", "")}</lateralProfile><lanes>{o.get("offset", "")}{sections}</lanes>
      <objects>{o.get("objects", "")}</objects><signals>{o.get("signals", "")}</signals></road>"""
