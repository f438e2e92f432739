// SPDX-License-Identifier: MIT
#include "experiment/report/page_style.h"

namespace photovec::experiment {

// Series colours are Okabe and Ito's, which colour-blind people tell apart, lightened for the dark page;
// lines differ in their dashes too. Parts: one hue a resource, pale for waiting and full for working.
std::string_view PageStyle() {
  return R"css(
:root {
  color-scheme: light dark;
  --bg: #f5f6f8; --card: #fff; --ink: #171b21; --soft: #5b6470; --line: #dfe3e9; --grid: #e9ecf0;
  --good: #12713f; --bad: #a5281f; --warn: #855a00; --good-bg: #e5f4eb; --bad-bg: #fbe9e7; --warn-bg: #fdf2dc;
  --s0: #0072b2; --s1: #c95a00; --s2: #00875f; --s3: #a94f84; --s4: #3591c9; --s5: #b07a00; --s6: #5f6670; --s7: #7a55c7;
  --p0: #0072b2; --p1: #a9cfe8; --p2: #00805a; --p3: #a3d8c4; --p4: #bf5200; --p5: #f3bd97; --p6: #6d5aa8; --p7: #bcc2cb;
  --p8: #d9a400;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #12151a; --card: #1b1f26; --ink: #e8ebf0; --soft: #9aa4b1; --line: #303742; --grid: #272d36;
    --good: #62cd97; --bad: #f48a80; --warn: #e8b95a; --good-bg: #17301f; --bad-bg: #3a1d1b; --warn-bg: #352a13;
    --s0: #56a8e8; --s1: #f08a3c; --s2: #3cc493; --s3: #dd8fbb; --s4: #8ccbf2; --s5: #e0b03e; --s6: #a9b1bc; --s7: #b39af0;
    --p0: #2f86c9; --p1: #25455f; --p2: #1f9a70; --p3: #1f4a3c; --p4: #d06a1e; --p5: #5b361e; --p6: #8371c2; --p7: #4a525e;
    --p8: #c99a14;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 1180px; padding: 28px 20px 56px; background: var(--bg); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans CJK KR",
    "Noto Sans KR", sans-serif;
  overflow-wrap: anywhere; word-break: keep-all;
}
header p.kicker { margin: 0; color: var(--soft); font-size: 13px; }
h1 { font-size: clamp(21px, 2.6vw, 30px); line-height: 1.3; margin: 6px 0 20px; font-weight: 680; letter-spacing: -0.01em;
  max-width: 34em; text-wrap: balance; }
h2 { font-size: 17px; margin: 0 0 12px; font-weight: 650; }
h3 { font-size: 13.5px; margin: 0 0 6px; font-weight: 600; }
p.note { color: var(--soft); font-size: 13px; margin: 12px 0 0; max-width: 76ch; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; margin: 16px 0;
  min-width: 0; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); margin: 0 0 16px; }
.tile { background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--tone); border-radius: 12px;
  padding: 12px 16px 14px; min-width: 0; }
.tile h3 { margin: 0 0 4px; }
.tile b { font-size: 27px; line-height: 1.2; font-weight: 680; font-variant-numeric: tabular-nums; }
.tile b, .tile span { white-space: nowrap; }
.tile p { margin: 0; color: var(--soft); font-size: 13px; }
.alerts { list-style: none; padding: 0; margin: 0 0 16px; display: grid; gap: 8px; }
.alerts li { padding: 9px 14px; border-radius: 9px; border-left: 4px solid; }
.alerts .bad { background: var(--bad-bg); border-color: var(--bad); color: var(--ink); }
.alerts .warning { background: var(--warn-bg); border-color: var(--warn); color: var(--ink); }
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; word-break: normal;
  overflow-wrap: normal; }
th { font-weight: 550; color: var(--soft); text-align: right; padding: 4px 0 8px 20px; white-space: nowrap; font-size: 13px;
  vertical-align: bottom; }
thead th.own { color: var(--ink); }
tbody th { color: var(--ink); text-align: left; padding: 7px 12px 7px 0; font-size: 14.5px; vertical-align: top; }
th:first-child { text-align: left; padding-left: 0; position: sticky; left: 0; background: var(--card); }
td { text-align: right; padding: 7px 0 7px 20px; border-top: 1px solid var(--line); white-space: nowrap;
  vertical-align: top; }
tbody th { border-top: 1px solid var(--line); }
tr.strong td, tr.strong th { font-weight: 680; border-top: 2px solid var(--line); }
tr.use th, tr.use td { background: linear-gradient(var(--card), var(--card)); }
tr.first-use td, tr.first-use th { border-top: 2px solid var(--line); }
td small, th small { display: block; color: var(--soft); font-size: 11.5px; font-weight: 400; line-height: 1.35; }
th small { display: inline; margin-left: 6px; }
.good { color: var(--good); } .bad { color: var(--bad); } .same { color: var(--soft); font-weight: 400; }
ul.findings { margin: 0; padding: 0 0 0 20px; display: grid; gap: 7px; max-width: 84ch; }
ul.findings li::marker { color: var(--soft); }
.charts { display: grid; gap: 22px 28px; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); }
.charts > div { min-width: 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 12px; padding: 0; list-style: none; font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 7px; }
.legend i { width: 20px; height: 0; border-top: 3px solid var(--tone); }
.legend i.box { width: 12px; height: 12px; border: 0; border-radius: 3px; background: var(--tone); }
.legend i.dash2 { border-top-style: dashed; } .legend i.dash3 { border-top-style: dotted; }
svg { display: block; width: 100%; overflow: visible; }
svg[viewBox] { height: auto; }
svg text { font: 11.5px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
svg text.name { fill: var(--ink); font-weight: 600; font-size: 12px; }
svg text.value { fill: var(--ink); font-size: 12px; }
svg text.inside { fill: #fff; font-size: 10.5px; }
.grid { stroke: var(--grid); stroke-width: 1; }
.guide { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; opacity: 0.7; }
.line { fill: none; stroke: var(--tone); stroke-width: 1.8; stroke-linejoin: round; }
.line.s2 { stroke-dasharray: 6 3; } .line.s3 { stroke-dasharray: 2 3; }
.bar { fill: var(--tone); }
.part { fill: var(--tone); stroke: var(--card); stroke-width: 1; }
.s0 { --tone: var(--s0); } .s1 { --tone: var(--s1); } .s2 { --tone: var(--s2); } .s3 { --tone: var(--s3); }
.s4 { --tone: var(--s4); } .s5 { --tone: var(--s5); } .s6 { --tone: var(--s6); } .s7 { --tone: var(--s7); }
.p0 { --tone: var(--p0); } .p1 { --tone: var(--p1); } .p2 { --tone: var(--p2); } .p3 { --tone: var(--p3); }
.p4 { --tone: var(--p4); } .p5 { --tone: var(--p5); } .p6 { --tone: var(--p6); } .p7 { --tone: var(--p7); }
.p8 { --tone: var(--p8); }
svg text.q1, svg text.q3, svg text.q5, svg text.q7 { fill: var(--ink); }
svg text.q8 { fill: #171b21; }
.switch > input { position: absolute; opacity: 0; pointer-events: none; }
.switch > label { display: inline-block; padding: 4px 14px; border: 1px solid var(--line); border-radius: 999px;
  margin: 0 6px 12px 0; font-size: 13px; cursor: pointer; color: var(--soft); }
.switch > input:checked + label { background: var(--ink); border-color: var(--ink); color: var(--card); }
.switch > input:focus-visible + label { outline: 2px solid var(--s0); outline-offset: 2px; }
.switch > .panel { display: none; }
.switch > #q0:checked ~ .panel0, .switch > #q1:checked ~ .panel1, .switch > #q2:checked ~ .panel2 { display: block; }
dl { display: grid; grid-template-columns: minmax(90px, max-content) 1fr; gap: 5px 18px; margin: 14px 0 0; font-size: 13.5px; }
dt { color: var(--soft); } dd { margin: 0; min-width: 0; }
code, pre { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; word-break: normal; }
pre { overflow-x: auto; background: var(--bg); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px;
  margin: 8px 0 0; white-space: pre-wrap; }
details summary { cursor: pointer; color: var(--soft); }
footer { color: var(--soft); font-size: 13px; margin: 22px 2px 0; }
@media (max-width: 640px) {
  body { padding: 18px 12px 40px; }
  section { padding: 15px 14px; border-radius: 10px; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); }
  .tile { padding: 10px 12px 12px; } .tile b { font-size: 22px; }
  td, th { padding-left: 14px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
}
@media print { body { max-width: none; background: #fff; } section, .tile { break-inside: avoid; }
  .switch > .panel { display: block; } }
)css";
}

}  // namespace photovec::experiment
