// What is seen, as files: made in the browser, from what it has.

export function save(name, blob) {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}

const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Rows of text: time, then the columns [{label, values}] of each block {time, columns}, in order of time. */
export function csv(blocks) {
  const labels = blocks.flatMap((block) => block.columns.map((column) => column.label));
  const rows = new Map();
  let offset = 0;
  for (const block of blocks) {
    block.time.forEach((time, k) => {
      block.columns.forEach((column, place) => {
        const value = column.values[k];
        if (value === null || value === undefined) return;
        if (!rows.has(time)) rows.set(time, new Array(labels.length).fill(""));
        rows.get(time)[offset + place] = String(value);
      });
    });
    offset += block.columns.length;
  }
  const lines = [...rows].sort((x, y) => x[0] - y[0]).map(([time, cells]) => [new Date(time).toISOString(), ...cells].join(","));
  return [["time", ...labels].map(quoted).join(","), ...lines, ""].join("\n");
}

/** Several canvases below each other, each with lines of coloured text above it, as one picture. */
export function picture(panes, title, background, ink) {
  const scale = window.devicePixelRatio || 1;
  const line = 18 * scale;
  const width = Math.max(...panes.map((pane) => pane.canvas.width));
  const height = panes.reduce((sum, pane) => sum + pane.canvas.height + line * Math.max(1, pane.legend.length), 2 * line);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const ctx = canvas.getContext("2d");
  ctx.fillStyle = background;
  ctx.fillRect(0, 0, width, height);
  ctx.font = `${12 * scale}px sans-serif`;
  ctx.fillStyle = ink;
  ctx.fillText(title, 8 * scale, line);
  let top = 1.5 * line;
  for (const pane of panes) {
    for (const { label, colour } of pane.legend) {
      ctx.fillStyle = colour;
      ctx.fillRect(8 * scale, top + line * 0.35, 14 * scale, 3 * scale);
      ctx.fillStyle = ink;
      ctx.fillText(label, 28 * scale, top + line * 0.65);
      top += line;
    }
    ctx.drawImage(pane.canvas, 0, top);
    top += pane.canvas.height;
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
