// What devices measured around an event, as console/eventrecord.py packs it.

const NONE = -32768;

/** {…header, values: [Int16Array [m * n] of each quantity], order: [0 for the first to see it, 1 for the last; null: it did not]}. */
export function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const size = told.device.length * told.rows;
  told.values = told.scale.map((_, k) => new Int16Array(buffer, 4 + length + 2 * k * size, size));
  const seen = told.arrival.filter((each) => each !== null).sort((a, b) => a - b);
  told.order = told.arrival.map((each) => (each === null ? null : seen.length > 1 ? seen.indexOf(each) / (seen.length - 1) : 1));
  return told;
}

/** A value of a quantity; null: none. */
export function column(told, quantity, row, k) {
  const value = row === undefined ? NONE : told.values[quantity][row * told.rows + k];
  return value === NONE || value === undefined ? null : value * told.scale[quantity];
}

/** [[ms from the start, value or null], …] of one device in [from, until]: least and greatest where pixels are few. */
export function track(told, quantity, row, from, until, pixels) {
  const first = Math.max(0, Math.floor(from / told.step));
  const stop = Math.min(told.rows, Math.ceil(until / told.step) + 1);
  const few = Math.floor((stop - first) / Math.max(pixels, 1));
  const found = [];
  if (few < 2) {
    for (let k = first; k < stop; k++) found.push([k * told.step, column(told, quantity, row, k)]);
    return found;
  }
  const values = told.values[quantity];
  for (let begin = first; begin < stop; begin += few) {
    let [low, high] = [Infinity, -Infinity];
    for (let k = row * told.rows + begin; k < row * told.rows + Math.min(begin + few, stop); k++) {
      if (values[k] === NONE) continue;
      if (values[k] < low) low = values[k];
      if (values[k] > high) high = values[k];
    }
    const at = (begin + few / 2) * told.step;
    if (low > high) found.push([at, null]);
    else found.push([at, low * told.scale[quantity]], [at, high * told.scale[quantity]]);
  }
  return found;
}

/** What 99 of 100 frequencies are below, in size: one spike does not take the colour from a map. */
export function usual(told) {
  const values = told.values[0];
  const few = Math.max(1, Math.floor(values.length / 20000));
  const some = [];
  for (let k = 0; k < values.length; k += few) if (values[k] !== NONE) some.push(Math.abs(values[k]));
  some.sort((a, b) => a - b);
  return (some[Math.floor(0.99 * some.length)] ?? 0) * told.scale[0];
}
