"""Style and search of the web page; both live in the file, which loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:#1a1a1a;background:#fff;
margin:0 auto;max-width:70rem;padding:1.5rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 1rem}
h2{font-size:1.35rem;line-height:1.25;margin:0 0 .6rem;overflow-wrap:anywhere}
h3{font-size:1rem;margin:1.3rem 0 .4rem}
p{margin:.5rem 0;max-width:52rem;overflow-wrap:anywhere}
a{color:#0b4f86}
.notice{background:#fff3cd;border-left:4px solid #8a6100;padding:.55rem .9rem;max-width:none}
.small,figcaption{font-size:.85rem;color:#444}
.search{position:sticky;top:0;background:#fff;padding:.7rem 0;border-bottom:1px solid #c9c9c9;z-index:2;display:flex;
flex-wrap:wrap;gap:.4rem .8rem;align-items:center}
.search input{font:inherit;padding:.35rem .6rem;border:1px solid #6b6b6b;border-radius:4px;min-width:min(22rem,100%)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #dcdcdc}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
article{border-top:2px solid #1a1a1a;margin-top:2.5rem;padding-top:1rem;scroll-margin-top:4rem;
content-visibility:auto;contain-intrinsic-size:auto 1300px}
.two{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:1rem 2rem;align-items:start}
.even{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}
figure{margin:0}
img{max-width:100%;height:auto;display:block}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15rem .9rem;margin:0}
dt{color:#444}
dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}
.tiles{display:grid;grid-template-columns:repeat(6,minmax(0,1fr));gap:.6rem;list-style:none;padding:0;margin:.4rem 0}
.tiles img{width:100%}
.comments{margin:.3rem 0;padding-left:1.1rem;overflow-wrap:anywhere}
.foot{border-top:1px solid #dcdcdc;margin-top:1rem;padding-top:.4rem;overflow-wrap:anywhere;max-width:none}
[hidden]{display:none!important}
@media (max-width:46rem){.two,.even{grid-template-columns:minmax(0,1fr)}.tiles{grid-template-columns:repeat(3,minmax(0,1fr))}}
@media print{
@page{size:A4;margin:11mm}
body{font-size:8.5pt;line-height:1.35;max-width:none;padding:0}
h2{font-size:14pt}
h3{font-size:10pt;margin:.7rem 0 .25rem;break-after:avoid}
h1,p{max-width:none}
.small,figcaption,table{font-size:7.5pt}
.search{display:none}
.wide{overflow:visible}
th,td{padding:.12rem .5rem .12rem 0}
article{break-before:page;border-top:0;margin:0;padding:0;content-visibility:visible}
figure,li,tr,.notice{break-inside:avoid}
.two{grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:.4rem 1.2rem}
.even{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}
.tiles{grid-template-columns:repeat(6,minmax(0,1fr))}
a{color:inherit;text-decoration:none}
}
"""

SCRIPT: Final = """
const box = document.getElementById("find"), said = document.getElementById("found");
const rows = [...document.querySelectorAll("tr[data-find]")];
function find() {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let n = 0;
  for (const row of rows) {
    const fits = words.every(word => row.dataset.find.includes(word));
    row.hidden = !fits;
    document.getElementById(row.dataset.page).hidden = !fits;
    n += fits;
  }
  said.textContent = words.length ? n + " of " + rows.length + " features" : "";
}
box.addEventListener("input", find);
find();
"""


def script_digest() -> str:
    """What a browser compares the script with, so that it runs no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
