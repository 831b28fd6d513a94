# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: one file with its own style, for screen (light and dark), phone and paper. No script, nothing fetched."""

from __future__ import annotations

LIGHT = {
    "page": "#ffffff",
    "text": "#1c2430",
    "quiet": "#55606f",
    "line": "#c9d1db",
    "shade": "#f3f5f8",
    "ready": "#14632f",
    "missing": "#a3161f",
    "attention": "#7a4b00",
    "value": "#0a58b5",
    "limit": "#b04300",
    "band": "#dfe5ee",
}
DARK = {
    "page": "#12171f",
    "text": "#e6eaf0",
    "quiet": "#a7b2c0",
    "line": "#3a4553",
    "shade": "#1b222d",
    "ready": "#72d592",
    "missing": "#ff9a9a",
    "attention": "#f2c063",
    "value": "#79b8ff",
    "limit": "#ffa657",
    "band": "#2b3645",
}
"""Blue and orange, which people who do not tell red from green tell apart; every state is a word as well."""


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:60rem;background:var(--page);color:var(--text);
 font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 1rem}
h2{font-size:1.25rem;margin:2.25rem 0 .75rem;padding-top:.75rem;border-top:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.5rem 0 .5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0 0 1rem}
dt{color:var(--quiet)}
dd{margin:0}
table{width:100%;border-collapse:collapse;margin:.5rem 0 1rem;font-size:.925rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line)}
th{color:var(--quiet);font-weight:600;white-space:nowrap}
ul{padding-left:1.25rem}
ul.checks{list-style:none;padding:0}
ul.checks li{padding-left:1.9rem;text-indent:-1.9rem;margin:.3rem 0}
.box{display:inline-block;width:1.9rem;text-indent:0;font-family:ui-monospace,monospace}
.state{font-weight:700}
.ready{color:var(--ready)}
.missing{color:var(--missing)}
.attention{color:var(--attention)}
.open{color:var(--quiet)}
p.banner{padding:.6rem .8rem;background:var(--shade);border-left:.3rem solid currentColor}
p.banner span.words{color:var(--text)}
.evidence{color:var(--quiet)}
pre{background:var(--shade);padding:.75rem;white-space:pre-wrap;font:.875rem/1.45 ui-monospace,monospace}
.kept{white-space:pre-line}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1rem}
figure{margin:0;break-inside:avoid}
figcaption{font-weight:600}
figcaption span{font-weight:400;color:var(--quiet)}
svg{display:block;width:100%;height:auto;max-width:34rem}
svg text{font:12px system-ui,sans-serif;fill:var(--quiet)}
svg .axis{stroke:var(--line);stroke-width:1}
svg .value{fill:none;stroke:var(--value);stroke-width:2;stroke-linejoin:round}
svg .dot{fill:var(--value)}
svg .limit{stroke:var(--limit);stroke-width:1.5;stroke-dasharray:6 4}
svg .band{fill:var(--band)}
@media (max-width:40rem){
 dl{grid-template-columns:1fr;gap:0}
 dd{margin-bottom:.4rem}
 table,tbody,tr,td{display:block}
 thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 tr{border-bottom:1px solid var(--line);padding:.4rem 0}
 td{border:0;padding:.1rem 0}
 td:empty{display:none}
 td[data-label]::before{content:attr(data-label) ": ";color:var(--quiet)}
}
@media print{
 :root{color-scheme:light;"""
    f"{_variables(LIGHT)}"
    """}
 body{max-width:none;padding:0;font-size:10pt}
 h2,h3{break-after:avoid}
 tr,li,pre{break-inside:avoid}
 @page{margin:18mm}
}
"""
)

TEMPLATE = """<!DOCTYPE html>
{%- macro state(mark) -%}
<span class="state {{ classes[mark.state] }}">{{ mark.said }}</span>
{%- endmacro -%}
{%- macro cell(value) -%}
{%- if value.state is not defined -%}{{ value }}
{%- else -%}{{ state(value) }} {{ value.text }}{%- endif -%}
{%- endmacro %}
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="referrer" content="no-referrer"/>
<link rel="icon" href="data:,"/>
<title>{{ document.title }}</title>
<style>{{ style }}</style>
</head>
<body>
<main>
<h1>{{ document.title }}</h1>
{% for group in groups %}
{% if group.plots %}
<div class="plots">
{% for plot in group.plots %}
<figure>
<figcaption>{{ plot.title }}{% if plot.threshold_text %} <span>({{ plot.threshold_text }})</span>{% endif %}\
<br/><span>{{ plot.summary }}</span></figcaption>
{% if plot.ys %}
<svg viewBox="0 0 {{ plot.width }} {{ plot.height }}" role="img" aria-label="{{ plot.title }}: {{ plot.summary }}" \
xmlns="http://www.w3.org/2000/svg">
{% for band in plot.bands %}
<rect class="band" x="{{ band.left }}" y="{{ plot.top }}" width="{{ band.width }}" \
height="{{ plot.bottom - plot.top }}"/>
<text x="{{ band.label.at }}" y="{{ plot.top - 6 }}" text-anchor="{{ band.label.anchor }}">{{ band.label.text }}</text>
{% endfor %}
{% for label in plot.ys %}
<line class="axis" x1="{{ plot.left }}" x2="{{ plot.right }}" y1="{{ label.at }}" y2="{{ label.at }}"/>
<text x="{{ plot.left - 5 }}" y="{{ label.at + 4 }}" text-anchor="end">{{ label.text }}</text>
{% endfor %}
{% for label in plot.xs %}
<text x="{{ label.at }}" y="{{ plot.bottom + 17 }}" text-anchor="{{ label.anchor }}">{{ label.text }}</text>
{% endfor %}
{% if plot.threshold is not none %}
<line class="limit" x1="{{ plot.left }}" x2="{{ plot.right }}" y1="{{ plot.threshold }}" y2="{{ plot.threshold }}"/>
{% endif %}
{% for line in plot.lines %}
<polyline class="value" points="{{ line }}"/>
{% endfor %}
{% for dot in plot.dots %}
<circle class="dot" cx="{{ dot[0] }}" cy="{{ dot[1] }}" r="2.5"/>
{% endfor %}
</svg>
{% endif %}
</figure>
{% endfor %}
</div>
{% endif %}
{% with block = group.block %}
{% if not block %}
{% elif block.kind == 'heading' %}
<h{{ block.level }}>{{ block.text }}</h{{ block.level }}>
{% elif block.kind == 'paragraph' %}
<p>{{ block.text }}</p>
{% elif block.kind == 'mark' %}
<p class="banner {{ classes[block.state] }}">{{ state(block) }} <span class="words">{{ block.text }}</span></p>
{% elif block.kind == 'fields' %}
<dl>
{% for name, value in block.pairs %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
{% elif block.kind == 'table' and block.rows %}
<table role="table">
<thead role="rowgroup"><tr role="row">
{%- for name in block.head %}<th role="columnheader" scope="col">{{ name }}</th>{% endfor -%}
</tr></thead>
<tbody role="rowgroup">
{% for row in block.rows %}
<tr role="row">
{%- for value in row %}<td role="cell" data-label="{{ block.head[loop.index0] }}">{{ cell(value) }}</td>{% endfor -%}
</tr>
{% endfor %}
</tbody>
</table>
{% elif block.kind == 'bullets' and block['items'] %}
<ul>
{% for item in block['items'] %}
<li>{{ cell(item) }}</li>
{% endfor %}
</ul>
{% elif block.kind == 'checklist' and block['items'] %}
<ul class="checks">
{% for item in block['items'] %}
<li><span class="box">{{ '[x]' if item.state == 'ready' else '[ ]' }}</span>
{%- if item.state in ('not ready', 'attention') %}{{ state(item) }} {% endif %}{{ item.text }}
{%- if item.evidence %} <span class="evidence">{{ item.evidence }}</span>{% endif %}</li>
{% endfor %}
</ul>
{% elif block.kind == 'kept' %}
<p class="kept">{{ block.shown }}</p>
{% elif block.kind == 'code' %}
<pre>{{ block.text }}</pre>
{% endif %}
{% endwith %}
{% endfor %}
</main>
</body>
</html>
"""
