// A pane of a trend: how uPlot draws its traces, and what lies over them.
import { tick } from "syms-lib/times.js";

const FONT = "11px Roboto, sans-serif";

/**
 * Options of uPlot: of each trace its line, and a band from its least to its greatest values. `id` names the cursor that
 * panes share; the last of them has the labels of time; `drawn(plot)` and `pointed()` are called after each picture and
 * move of the cursor.
 */
export function paneOptions(traces, { id, last, local, line, ink, drawn, pointed }) {
  const grid = { stroke: line, width: 1 };
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  const series = traces.flatMap((each) => [{ stroke: each.colour, width: 1.4, points: { show: false } }, { ...edge }, { ...edge }]);
  const digits = (step) => Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 0.3)));
  return {
    width: 400, height: 120, ms: 1, legend: { show: false }, padding: [6, 10, last ? 0 : 4, 0],
    cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 5 }, sync: { key: id } },
    scales: { x: { time: true, auto: false }, y: { auto: false } },
    series: [{}, ...series],
    bands: traces.map((each, k) => ({ series: [3 * k + 2, 3 * k + 3], fill: each.colour + "3a" })),
    axes: [
      { stroke: ink, grid, ticks: { show: false }, font: FONT, size: last ? 22 : 0, gap: 2, space: 76,
        values: (_, splits, __, ___, step) => splits.map((at) => (last ? tick(at, step, local) : "")) },
      { stroke: ink, grid, ticks: { show: false }, font: FONT, size: 66, gap: 4, space: 18,
        values: (_, splits, __, ___, step) => splits.map((at) => at.toFixed(digits(step))) },
    ],
    hooks: { draw: [drawn], setCursor: [pointed] },
  };
}

/** [least, greatest] of what stands in [from, until] ms; null: nothing does. */
export function range({ time, traces }, from, until) {
  let low = null;
  let high = null;
  for (const each of traces)
    for (let k = 0; k < time.length; k++) {
      if (time[k] < from || time[k] > until || each.value[k] == null) continue;
      if (low === null || each.low[k] < low) low = each.low[k];
      if (high === null || each.high[k] > high) high = each.high[k];
    }
  return [low, high];
}

/** What panes show, as `picture` takes it. */
export function pictured(panes) {
  return panes.map((pane) => ({
    canvas: pane.plot.ctx.canvas,
    legend: pane.traces.map((each) => ({ label: `${each.label} [${pane.unit}]`, colour: each.colour })),
  }));
}

/** What panes show, as `csv` takes it: of bands their ends, too. */
export function tabled(panes) {
  return panes.map((pane) => ({
    time: pane.found.time,
    columns: pane.traces.flatMap((each, k) => {
      const label = `${each.label} [${pane.unit}]`;
      const { value, low, high } = pane.found.traces[k];
      return pane.found.banded
        ? [{ label, values: value }, { label: `${label} minimum`, values: low }, { label: `${label} maximum`, values: high }]
        : [{ label, values: value }];
    }),
  }));
}

/** Lines at instants: [[ms, text, colour], …]; the texts beside them if they are to be `named`. */
export function instants(plot, lines, named) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.textAlign = "left";
  for (const [at, text, colour] of lines) {
    const x = plot.valToPos(at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (named) ctx.fillText(text, x + 4, bbox.top + 10);
  }
  ctx.restore();
}
