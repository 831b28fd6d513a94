# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: one file with its own style, for screen (light and dark), phone and paper. No script, nothing fetched."""

from __future__ import annotations

LIGHT = {
    "page": "#ffffff",
    "text": "#18202b",
    "quiet": "#566172",
    "line": "#dbe1e8",
    "shade": "#f4f6f9",
    "link": "#0a4fa3",
    "ready": "#0f5c2b",
    "ready-tint": "#e3f4e8",
    "missing": "#9d1420",
    "missing-tint": "#fdeaea",
    "attention": "#744600",
    "attention-tint": "#fdf1d8",
    "value": "#0a58b5",
    "limit": "#b04300",
    "band": "#e3e9f2",
}
DARK = {
    "page": "#10151c",
    "text": "#e6eaf0",
    "quiet": "#a3afbf",
    "line": "#2e3845",
    "shade": "#19202a",
    "link": "#8ec2ff",
    "ready": "#7bdc9b",
    "ready-tint": "#12301e",
    "missing": "#ffa3a3",
    "missing-tint": "#3b1619",
    "attention": "#f3c66f",
    "attention-tint": "#362808",
    "value": "#79b8ff",
    "limit": "#ffa657",
    "band": "#253041",
}
"""Blue and orange, which people who do not tell red from green tell apart; every state is a word as well."""


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    """
*{box-sizing:border-box}
html{scroll-padding-top:1rem;-webkit-text-size-adjust:100%}
body{margin:0 auto;padding:2.5rem 1.25rem 5rem;max-width:62rem;background:var(--page);color:var(--text);
 font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:2rem;line-height:1.15;letter-spacing:-.02em;margin:0}
.about{margin:.4rem 0 1.5rem;color:var(--quiet);font-size:1.1rem}
h2{font-size:1.3rem;line-height:1.25;letter-spacing:-.01em;margin:2.6rem 0 .8rem;padding-top:.9rem;
 border-top:2px solid var(--text)}
h3{font-size:1rem;margin:1.6rem 0 .4rem}
p{margin:.5rem 0 .9rem;max-width:46rem}
a{color:var(--link);text-underline-offset:.2em}
nav ol{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;list-style:none;margin:1.25rem 0 0;padding:.7rem 0 0;
 border-top:1px solid var(--line);font-size:.875rem}
nav li{margin:0}
nav a{display:inline-block;padding:.25rem 0;text-decoration:none}
nav a:hover,nav a:focus{text-decoration:underline}
dl{margin:0 0 1rem}
.fields{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.25rem}
dt{color:var(--quiet)}
dd{margin:0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(12rem,100%),1fr));gap:.75rem;margin:1.25rem 0}
.figures div{background:var(--shade);border-radius:.6rem;padding:.8rem 1rem}
.figures dt{font-size:.8125rem}
.figures dd{font-size:1.35rem;font-weight:650;line-height:1.3;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.figures dd small{display:block;margin-top:.15rem;font-size:.8125rem;font-weight:400;letter-spacing:0;
 color:var(--quiet)}
table{width:100%;border-collapse:collapse;margin:.4rem 0 1.2rem;font-size:.9375rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.45rem 1rem .45rem 0;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--quiet);font-size:.8125rem;font-weight:600;white-space:nowrap;vertical-align:bottom}
td:first-child{font-weight:550}
.bar{width:24%;vertical-align:middle}
.bar svg{max-width:none;height:.7rem}
.bar rect{fill:var(--value)}
.bar line{stroke:var(--line)}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
ul,ol.steps{padding-left:1.3rem;margin:.5rem 0 1rem}
li{margin:.3rem 0}
ol.steps{list-style:none;counter-reset:step;padding:0}
ol.steps li{counter-increment:step;position:relative;padding:.1rem 0 .1rem 2.4rem;margin:.5rem 0}
ol.steps li::before{content:counter(step);position:absolute;left:0;top:.1rem;width:1.6rem;height:1.6rem;
 border-radius:50%;background:var(--shade);text-align:center;font-size:.8125rem;font-weight:650;line-height:1.6rem}
ul.checks{list-style:none;padding:0}
ul.checks li{position:relative;padding-left:2.1rem;margin:.6rem 0}
.box{position:absolute;left:0;top:.2rem;width:1.2rem;height:1.2rem;border:2px solid var(--quiet);border-radius:.3rem}
.box.done{border-color:var(--ready);background:var(--ready)}
.box.done::after{content:"";position:absolute;left:.28rem;top:.02rem;width:.32rem;height:.65rem;
 border:solid var(--page);border-width:0 .16rem .16rem 0;transform:rotate(45deg)}
.state{display:inline-block;padding:.05rem .5rem;border-radius:1rem;font-size:.75rem;font-weight:700;
 letter-spacing:.03em;line-height:1.5;white-space:nowrap;background:var(--shade);color:var(--quiet)}
.state.ready{color:var(--ready);background:var(--ready-tint)}
.state.missing{color:var(--missing);background:var(--missing-tint)}
.state.attention{color:var(--attention);background:var(--attention-tint)}
p.banner{max-width:none;margin:.6rem 0;padding:.75rem 1rem;border-radius:.6rem;background:var(--shade);font-weight:550}
p.banner.ready{background:var(--ready-tint)}
p.banner.missing{background:var(--missing-tint)}
p.banner.attention{background:var(--attention-tint)}
p.banner .state{margin-right:.4rem;background:none;padding:0;font-size:.875rem}
.evidence{display:block;color:var(--quiet);font-size:.9375rem}
pre{background:var(--shade);border-radius:.6rem;padding:.85rem 1rem;margin:.6rem 0 1.2rem;white-space:pre-wrap;
 font:.875rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.kept{white-space:pre-line}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1.5rem 2rem;margin:1rem 0}
figure{margin:0;break-inside:avoid}
figcaption{font-weight:600;margin-bottom:.3rem}
figcaption span{font-weight:400;color:var(--quiet);font-size:.9375rem}
svg{display:block;width:100%;height:auto;max-width:34rem}
svg text{font:12px system-ui,sans-serif;fill:var(--quiet)}
svg .axis{stroke:var(--line);stroke-width:1}
svg .value{fill:none;stroke:var(--value);stroke-width:2;stroke-linejoin:round}
svg .dot{fill:var(--value)}
svg .limit{stroke:var(--limit);stroke-width:1.5;stroke-dasharray:6 4}
svg .band{fill:var(--band)}
@media (max-width:40rem){
 body{padding:1.25rem 1rem 3rem}
 h1{font-size:1.6rem}
 h2{margin-top:2.25rem}
 .figures{grid-template-columns:1fr 1fr;gap:.5rem}
 .figures div{padding:.6rem .75rem}
 .figures dd{font-size:1.1rem}
 .fields{grid-template-columns:minmax(0,max-content) minmax(0,1fr);column-gap:1rem;font-size:.9375rem}
 table,tbody,tr,td{display:block}
 thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 tr{border-bottom:1px solid var(--line);padding:.5rem 0}
 td{border:0;padding:.1rem 0;width:auto}
 td:empty{display:none}
 td[data-label]::before{content:attr(data-label) ": ";color:var(--quiet);font-weight:400}
}
@media print{
 :root{color-scheme:light;"""
    f"{_variables(LIGHT)}"
    """}
 body{max-width:none;padding:0;font-size:9.5pt}
 nav{display:none}
 h1{font-size:20pt}
 h2{margin-top:1.6rem;break-after:avoid}
 h3{break-after:avoid}
 tr,li,pre,.figures div,p.banner{break-inside:avoid}
 a{color:inherit;text-decoration:none}
 .state,.figures div,p.banner,pre,.box,.bar rect,svg *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
 @page{margin:16mm}
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
<title>{{ document.title }}{% if document.subtitle %}: {{ document.subtitle }}{% endif %}</title>
<style>{{ style }}</style>
</head>
<body>
<header>
<h1>{{ document.title }}</h1>
{% if document.subtitle %}
<p class="about">{{ document.subtitle }}</p>
{% endif %}
</header>
<main>
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
<h{{ block.level }}{% if group.anchor %} id="{{ group.anchor }}"{% endif %}>{{ block.text }}</h{{ block.level }}>
{% elif block.kind == 'paragraph' %}
<p>{{ block.text }}</p>
{% elif block.kind == 'mark' %}
<p class="banner {{ classes[block.state] }}">{{ state(block) }} <span class="words">{{ block.text }}</span></p>
{% elif block.kind == 'fields' %}
<dl class="fields">
{% for name, value in block.pairs %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
{% elif block.kind == 'figures' %}
<dl class="figures">
{% for name, value, hint in block['items'] %}
<div><dt>{{ name }}</dt><dd>{{ value }}{% if hint %} <small>{{ hint }}</small>{% endif %}</dd></div>
{% endfor %}
</dl>
{% elif block.kind == 'contents' %}
<nav aria-label="Sections"><ol>
{% for id, text in sections %}
<li><a href="#{{ id }}">{{ text }}</a></li>
{% endfor %}
</ol></nav>
{% elif block.kind == 'table' and block.rows %}
<table role="table">
<thead role="rowgroup"><tr role="row">
{%- for name in block.head %}<th role="columnheader" scope="col">{{ name }}</th>{% endfor -%}
{%- if block.bars %}<th role="columnheader" scope="col" class="bar"><span class="unseen">When</span></th>{% endif %}
</tr></thead>
<tbody role="rowgroup">
{% for row in block.rows %}
<tr role="row">
{%- for value in row %}<td role="cell" data-label="{{ block.head[loop.index0] }}">{{ cell(value) }}</td>{% endfor -%}
{%- if block.bars %}{% set bar = block.bars[loop.index0] %}<td role="cell" class="bar"><svg viewBox="0 0 100 8" \
preserveAspectRatio="none" aria-hidden="true"><line x1="0" x2="100" y1="4" y2="4"/>\
<rect x="{{ '%.2f' | format(bar[0] * 100) }}" y="0" width="{{ '%.2f' | format(bar[1] * 100) }}" height="8"/></svg></td>
{%- endif %}
</tr>
{% endfor %}
</tbody>
</table>
{% elif block.kind == 'bullets' and block['items'] %}
<{{ 'ol class="steps"' | safe if block.numbered else 'ul' }}>
{% for item in block['items'] %}
<li>{{ cell(item) }}</li>
{% endfor %}
</{{ 'ol' if block.numbered else 'ul' }}>
{% elif block.kind == 'checklist' and block['items'] %}
<ul class="checks">
{% for item in block['items'] %}
<li><span class="box{{ ' done' if item.state == 'ready' }}" role="img" \
aria-label="{{ 'done' if item.state == 'ready' else 'open' }}"></span>
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
