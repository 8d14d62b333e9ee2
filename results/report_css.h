/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report_css - the look of report.html: light, dark and paper
 *
 * Contrast of all text is at least 4.5 to 1 in both schemes. In the dark scheme the pictures are
 * inverted and their hues turned back, so that a line keeps its colour's name.
 */
#ifndef RTKVM_RESULTS_REPORT_CSS_H
#define RTKVM_RESULTS_REPORT_CSS_H

static const char report_css[] =
	":root{--bg:#f6f7f9;--card:#fff;--ink:#15191f;--soft:#555e6b;--line:#d9dee5;--accent:#0b5394;"
	"--pass:#1b6e3c;--fail:#b3261e;--open:#8a5a00;--tint:#eef2f7}"
	"@media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1a2028;--ink:#e8ecf1;"
	"--soft:#a3adba;--line:#313a46;--accent:#8ec1f5;--pass:#2c8a52;--fail:#c8453c;--open:#9a6a10;"
	"--tint:#222a34}figure img{filter:invert(.9) hue-rotate(180deg)}}"
	"*{box-sizing:border-box}"
	"body{margin:0 auto;max-width:80rem;padding:0 1.25rem 3rem;background:var(--bg);"
	"color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI','Liberation Sans',sans-serif}"
	".caution{margin:0 -1.25rem;padding:.7rem 1.25rem;background:#7a1f00;color:#fff;"
	"font-weight:600}"
	"header{padding-top:1.75rem}"
	".eyebrow{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.08em;"
	"text-transform:uppercase}"
	"h1{margin:.1rem 0 1rem;font-size:2rem;line-height:1.2;overflow-wrap:anywhere}"
	"h2{margin:2.5rem 0 .75rem;font-size:1.3rem;border-bottom:1px solid var(--line);"
	"padding-bottom:.3rem}"
	"h3{margin:0 0 .5rem;font-size:1.05rem}"
	".verdict{display:flex;gap:1.25rem;align-items:center;padding:1rem 1.25rem;border-radius:.5rem;"
	"color:#fff;background:var(--open)}"
	".verdict.pass{background:var(--pass)}.verdict.fail{background:var(--fail)}"
	".verdict strong{font-size:1.7rem;text-transform:uppercase;letter-spacing:.04em;line-height:1.1}"
	".verdict p{margin:0;font-size:1.05rem}.verdict ul{margin:.3rem 0 0;padding-left:1.2rem}"
	".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;"
	"margin:1rem 0 0}"
	".tiles div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"
	"padding:.7rem .9rem}"
	".tiles dt{color:var(--soft);font-size:.85rem}"
	".tiles dd{margin:0;font-size:1.45rem;font-weight:600;font-variant-numeric:tabular-nums}"
	".tiles small{font-size:.9rem;font-weight:400;color:var(--soft)}"
	"figure{margin:0 0 1.25rem;padding:1rem;background:var(--card);border:1px solid var(--line);"
	"border-radius:.5rem}"
	"figure img{display:block;width:100%;height:auto}"
	"figcaption{color:var(--soft);font-size:.9rem;margin-top:.4rem}"
	".scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);"
	"border-radius:.5rem}"
	":focus-visible{outline:3px solid var(--accent);outline-offset:2px}"
	"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9rem}"
	"caption{text-align:left;color:var(--soft);padding:.6rem .7rem;font-size:.85rem}"
	"th,td{padding:.4rem .7rem;text-align:right;border-top:1px solid var(--line);"
	"vertical-align:top;white-space:nowrap}"
	"thead th{border-top:0;background:var(--tint);font-weight:600}"
	"td small{color:var(--soft);font-size:.78rem}"
	"tr.all{font-weight:600;background:var(--tint)}"
	".figures{font-size:.84rem}.figures th,.figures td{padding:.35rem .5rem}"
	".figures td:last-child{white-space:normal;min-width:6.5rem}"
	".max{font-weight:700}.none{color:var(--soft)}"
	".facts th,.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}"
	".facts th{width:15rem;font-weight:500;color:var(--soft)}"
	".events th,.events td,th:first-child{text-align:left}"
	".notes{padding-left:1.2rem;margin:.75rem 0 1.5rem}.notes li{margin:.2rem 0}"
	"details{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"
	"padding:.6rem .9rem}summary{cursor:pointer;color:var(--accent)}"
	"pre{overflow-x:auto;font-size:.8rem;line-height:1.4}"
	"footer{margin-top:2.5rem;color:var(--soft);font-size:.85rem}"
	"@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--pass:#1b6e3c;"
	"--fail:#b3261e;--open:#8a5a00;--tint:#f2f2f2}body{max-width:none;font-size:11px}"
	".caution,.verdict{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
	"figure img{filter:none}.figures{font-size:7.5px}.figures td{white-space:normal}figure,.scroll,tr{break-inside:avoid}.scroll{overflow:visible}"
	"details{display:none}}";

#endif
