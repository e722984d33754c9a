// What components of pages share.
export { default as uPlot } from "syms-lib/uplot.js";
export * from "syms-lib/traces.js";
export * from "syms-lib/times.js";
export * from "syms-lib/saving.js";
export * from "syms-lib/drawing.js";
export * from "syms-lib/mapping.js";
export * from "syms-lib/ground.js";
export * from "syms-lib/panes.js";
export * from "syms-lib/clips.js";
export * from "syms-lib/gestures.js";
export * from "syms-lib/states.js";
export * from "syms-lib/building.js";
