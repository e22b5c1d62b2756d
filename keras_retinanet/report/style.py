"""The style of all pages, for dark and light."""

STYLE = """
:root{--ground:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dde2e8;--bar:#3b76c4;
--bad:#c2410c;--badground:#fdeee6;--note:#8a6100;--noteground:#fdf5dc;--good:#1f7a4a;
--goodground:#e5f5ec}
@media (prefers-color-scheme:dark){:root{--ground:#12161c;--card:#1b212a;--ink:#e4e8ee;
--soft:#9aa5b4;--line:#313a46;--bar:#6ea8f0;--bad:#ff9361;--badground:#3a2217;--note:#eac254;
--noteground:#332a12;--good:#6fd39c;--goodground:#163324}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:18px;margin:0 0 10px}
h3{font-size:15px;margin:18px 0 8px}
.columns h3:first-child{margin-top:0}
header p,p.note{color:var(--soft);margin:0 0 14px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;
margin:18px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:18px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.tile b{display:block;font-size:26px;line-height:1.2;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
.tile.bad b{color:var(--bad)}
.tile.good b{color:var(--good)}
.badge{display:inline-block;border-radius:5px;padding:0 8px;margin-right:8px;font-size:12px;
font-weight:600;line-height:20px}
.badge.bad{background:var(--badground);color:var(--bad)}
.badge.note{background:var(--noteground);color:var(--note)}
.badge.good{background:var(--goodground);color:var(--good)}
.finding{border-top:1px solid var(--line);padding:14px 0}
.finding:first-of-type{border-top:0;padding-top:0}
.finding p{margin:0}
.finding .where{font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.finding .remedy{color:var(--soft)}
details{margin-top:6px}
summary{cursor:pointer;color:var(--bar)}
details ul{margin:6px 0 0;padding:0 0 0 18px;max-height:300px;overflow:auto;font:13px/1.5
ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.scroll{overflow:auto;max-height:440px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--soft);font-weight:600;font-size:13px}
th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
.number{text-align:right}
th.number,td.number{padding:5px 6px 5px 14px}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr));gap:26px}
.columns svg{max-width:600px;overflow:visible}
.columns>div{min-width:0}
.pictures{display:flex;flex-wrap:wrap;gap:12px;margin-top:10px}
figure{margin:0;max-width:100%}
figure img{display:block;max-width:100%;height:auto;border-radius:6px;border:1px solid var(--line)}
figcaption{color:var(--soft);font-size:12px;line-height:1.35;margin-top:3px;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto}
svg text{font-size:12px;fill:var(--ink)}
svg .soft{fill:var(--soft)}
svg .bar{fill:var(--bar)}
svg .bad{fill:var(--bad)}
svg .axis{stroke:var(--line)}
.key{color:var(--soft);font-size:12px;margin:4px 0 0}
.key i{display:inline-block;width:10px;height:10px;border-radius:2px;margin:0 5px 0 0}
.key i.bar{background:var(--bar)}
.key i.bad{background:var(--bad);margin-left:14px}
"""
