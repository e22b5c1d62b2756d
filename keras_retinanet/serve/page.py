"""The page to drop a picture on: one file, which asks only its own server."""

import base64
import hashlib
import json

from keras_retinanet.report.markup import Html, element, safe
from keras_retinanet.report.style import STYLE
from keras_retinanet.serve.page_script import SCRIPT
from keras_retinanet.utils.colors import colors, label_color

OWN_STYLE = """
.stage{display:grid;grid-template-columns:minmax(0,1fr) 320px;gap:18px;align-items:start}
@media (max-width:820px){.stage{grid-template-columns:minmax(0,1fr)}main{padding:16px 12px 40px}}
section{margin:0 0 18px}
#drop{display:flex;align-items:center;justify-content:center;min-height:300px;position:relative;
background:var(--card);border:2px dashed var(--line);border-radius:10px;cursor:pointer;
text-align:center;color:var(--soft);overflow:hidden}
#drop.over,#drop:focus-within{border-color:var(--bar);outline:3px solid var(--bar);
outline-offset:2px}
#drop input{position:absolute;opacity:0;width:1px;height:1px}
#drop.full{border-style:solid;min-height:0}
#drop.full #hint{display:none}
#hint b{display:block;color:var(--ink);font-size:18px}
#hint{padding:20px}
canvas{display:none;width:100%;height:auto}
.full canvas{display:block}
#status{min-height:24px;margin:10px 2px}
#status.bad{color:var(--bad)}
label.row,#classes label{display:flex;gap:8px;align-items:center;min-height:32px}
input[type=range]{flex:1;min-width:0;height:32px;accent-color:var(--bar)}
input[type=checkbox]{width:18px;height:18px;accent-color:var(--bar);flex:none}
output{font-variant-numeric:tabular-nums;width:36px;text-align:right}
#classes i{width:14px;height:14px;border-radius:3px;flex:none;border:1px solid var(--line)}
#classes span{flex:1;overflow-wrap:anywhere}
#classes b{font-weight:400;color:var(--soft)}
#classes{max-height:300px;overflow:auto}
button{font:inherit;color:var(--ink);background:var(--ground);border:1px solid var(--line);
border-radius:6px;padding:4px 12px;min-height:32px;cursor:pointer;margin:0 6px 8px 0}
:focus-visible{outline:3px solid var(--bar);outline-offset:2px}
tbody tr:hover,tbody tr:focus{background:var(--ground)}
tr:focus-visible{outline-offset:-3px}
.empty{color:var(--soft);margin:0}
"""


def policy():
    """Return the page's Content-Security-Policy: its own script, pictures that were dropped."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def demo_page(title, service):
    """Return the page of a `Service`, HTML."""
    classes = service.detector.classes
    facts = {
        "floor": service.floor,
        "threshold": max(service.floor, service.start),
        "body": service.limits.body,
        "classes": list(classes),
        # blue first, as pictures are annotated; browsers have red first
        "colors": [label_color(label)[::-1] for label in range(min(len(classes), len(colors)))],
    }
    # "<" alone could end the element early
    data = Html(json.dumps(facts).replace("<", "\\u003c"))
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="data:,">'
        f"<title>{safe(title)}</title><style>{STYLE}{OWN_STYLE}</style>"
    )
    body = element("main", element("header", element("h1", title)), _stage(facts))
    script = f'<script type="application/json" id="facts">{data}</script><script>{SCRIPT}</script>'
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}{script}</body></html>\n'
    )


def _stage(facts):
    return element("div", element("div", _drop(), _status()), _controls(facts), class_="stage")


def _drop():
    hint = element(
        "span",
        element("b", "Drop a picture here"),
        "or click or press Enter to choose one, or paste it. JPEG or PNG.",
        id="hint",
    )
    file = '<input type="file" id="file" accept="image/jpeg,image/png" aria-label="Picture">'
    canvas = element("canvas", id="canvas", role="img", aria_label="no picture yet")
    return element("label", Html(file), hint, canvas, id="drop")


def _status():
    return element("p", "No picture yet.", id="status", role="status")


def _controls(facts):
    limits = f'min="{facts["floor"]:g}" max="1" step="0.01" value="{facts["threshold"]:g}"'
    slider = Html(f'<input type="range" id="threshold" {limits} aria-label="Least score">')
    shown = element("output", f"{facts['threshold']:.2f}", id="shown")
    buttons = [element("button", name, type="button", id=name.lower()) for name in ("All", "None")]
    nothing = element("p", "None found yet.", class_="empty")
    return element(
        "div",
        element(
            "section", element("h2", "Least score"), element("label", slider, shown, class_="row")
        ),
        element(
            "section", element("h2", "Classes"), *buttons, element("div", nothing, id="classes")
        ),
        element(
            "section",
            element("h2", "Detections"),
            element("div", nothing, id="rows", class_="scroll"),
        ),
    )
