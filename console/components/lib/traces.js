// What one trace holds, and how it is reduced to what a screen can show. No DOM here.

const CAPACITY = 24000; // points that are held of what came live
const SECOND = 1000;

/** Values of one quantity over time: times [ms UTC], values, and the least and greatest that stand behind each. */
export class Trace {
  constructor(capacity = CAPACITY) {
    this.capacity = capacity;
    this.time = new Float64Array(capacity);
    this.value = new Float32Array(capacity);
    this.low = new Float32Array(capacity);
    this.high = new Float32Array(capacity);
    this.clear();
  }

  clear() {
    this.count = 0;
    this.step = SECOND;
    this.past = null;
  }

  get last() {
    return this.count ? this.time[this.count - 1] : this.past?.time.at(-1) ?? NaN;
  }

  /** Newest value, whatever it is (NaN: a gap). */
  get newest() {
    return this.count ? this.value[this.count - 1] : this.past?.value.at(-1) ?? NaN;
  }

  /** Values at start, start + step, …; null is a gap. What is not newer than what is held is passed over. */
  append(start, step, values) {
    this.step = step;
    if (this.count + values.length > this.capacity) this.compact(values.length);
    const from = Math.max(0, values.length - this.capacity);
    for (let k = from; k < values.length; k++) {
      const time = start + k * step;
      if (this.count && time <= this.time[this.count - 1]) continue;
      this.put(this.count++, time, values[k] ?? NaN);
    }
  }

  put(at, time, value, low = value, high = value) {
    this.time[at] = time;
    this.value[at] = value;
    this.low[at] = low;
    this.high[at] = high;
  }

  /** The older half becomes one point a second; where that is not enough, the oldest points go. */
  compact(room) {
    const half = this.count >> 1;
    let kept = 0;
    for (let k = 0; k < half; ) {
      const second = Math.floor(this.time[k] / SECOND);
      const bin = new Bin();
      const first = this.time[k];
      for (; k < half && Math.floor(this.time[k] / SECOND) === second; k++) bin.add(this.value[k], this.low[k], this.high[k]);
      this.put(kept++, first, bin.mean, bin.low, bin.high);
    }
    const excess = Math.max(0, kept + (this.count - half) + room - Math.floor(this.capacity * 0.9));
    for (const each of [this.time, this.value, this.low, this.high]) {
      each.copyWithin(kept, half, this.count);
      each.copyWithin(0, excess, kept + this.count - half);
    }
    this.count = Math.max(0, kept + this.count - half - excess);
  }

  /** What the archive has of [from, until): arrays; null is a gap; low and high may be null (they are the values). */
  remember(from, until, time, value, low, high) {
    this.past = { from, until, time, value, low: low ?? value, high: high ?? value };
  }

  /** Call each(time, value, low, high) for what is held of [a, b], in order; a NaN value is a gap. */
  walk(a, b, each) {
    const past = this.past;
    if (!past) return this.walkLive(a, b, each);
    this.walkLive(a, Math.min(b, past.from), each);
    for (let k = lowerBound(past.time, past.time.length, a); k < past.time.length && past.time[k] <= b; k++)
      each(past.time[k], past.value[k] ?? NaN, past.low[k] ?? NaN, past.high[k] ?? NaN);
    this.walkLive(Math.max(a, past.until), b, each);
  }

  walkLive(a, b, each) {
    if (!(b > a)) return;
    for (let k = lowerBound(this.time, this.count, a); k < this.count && this.time[k] <= b; k++)
      each(this.time[k], this.value[k], this.low[k], this.high[k]);
  }
}

class Bin {
  constructor() {
    this.sum = 0;
    this.valid = 0;
    this.low = NaN;
    this.high = NaN;
  }

  add(value, low, high) {
    if (value !== value) return;
    this.sum += value;
    this.valid++;
    if (!(this.low <= low)) this.low = low;
    if (!(this.high >= high)) this.high = high;
  }

  get mean() {
    return this.valid ? this.sum / this.valid : NaN;
  }
}

/** First place of [0, count) whose value is not below. */
export function lowerBound(sorted, count, value) {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Several traces on one time axis, for [a, b] and so many columns: {time, banded, traces: [{value, low, high}]}.
 *
 * Few points stay as they are; more become one mean a column, with the least and the greatest. In the arrays null is a
 * gap, undefined says that another trace has a point there, which the line passes over.
 */
export function aligned(traces, a, b, columns) {
  const reach = (b - a) / columns;
  const held = traces.map((trace) => points(trace, a - reach, b + reach));
  const many = held.some((each) => each.time.length > 2 * columns);
  const grid = many ? binned(held, a, b, reach) : merged(held);
  const banded = many || held.some((each) => each.banded);
  return { ...grid, banded };
}

function points(trace, a, b) {
  const found = { time: [], value: [], low: [], high: [], banded: false };
  trace.walk(a, b, (time, value, low, high) => {
    found.time.push(time);
    found.value.push(value);
    found.low.push(low);
    found.high.push(high);
    if (low < high) found.banded = true;
  });
  return found;
}

/** Columns stand at multiples of their width, so that they keep their values while the axis moves. */
function binned(held, a, b, width) {
  const first = Math.floor(a / width);
  const count = Math.ceil(b / width) - first + 1;
  const time = Array.from({ length: count }, (_, k) => (first + k + 0.5) * width);
  const traces = held.map((each) => {
    const value = new Array(count);
    const low = new Array(count);
    const high = new Array(count);
    for (let k = 0; k < each.time.length; ) {
      const at = Math.floor(each.time[k] / width);
      const bin = new Bin();
      for (; k < each.time.length && Math.floor(each.time[k] / width) === at; k++)
        bin.add(each.value[k], each.low[k], each.high[k]);
      if (at < first || at >= first + count) continue;
      value[at - first] = bin.valid ? bin.mean : null;
      low[at - first] = bin.valid ? bin.low : null;
      high[at - first] = bin.valid ? bin.high : null;
    }
    return { value, low, high };
  });
  return { time, traces };
}

function merged(held) {
  const time = [...new Set(held.flatMap((each) => each.time))].sort((x, y) => x - y);
  const place = new Map(time.map((each, k) => [each, k]));
  const traces = held.map((each) => {
    const out = { value: new Array(time.length), low: new Array(time.length), high: new Array(time.length) };
    each.time.forEach((at, k) => {
      for (const name of ["value", "low", "high"]) out[name][place.get(at)] = Number.isNaN(each[name][k]) ? null : each[name][k];
    });
    return out;
  });
  return { time, traces };
}

/** A range for values [low, high] that does not move with each of them: `held` is kept while it fits. */
export function steady(held, low, high, least) {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return held ?? [0, 1];
  const span = Math.max(high - low, least);
  if (held && low >= held[0] && high <= held[1] && span > 0.4 * (held[1] - held[0])) return held;
  const pad = 0.12 * span + (span - (high - low)) / 2;
  return [low - pad, high + pad];
}
