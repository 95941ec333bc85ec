// Charts: the time series, small multiples over the same two minutes, with one cursor through all of them.

import uPlot from './uplot.js';
import { make, setText, styled } from './dom.js';
import { bytes, clock, fixed, short } from './format.js';
import { t } from './words.js';

const SPAN_S = 120;
const HEIGHT = 104;
const AXIS_WIDTH = 58;
/** A time of day this near to an edge would be cut off, or lie on the values beside it. */
const EDGE_S = 14;

const isInside = ({ min, max }, at) => at >= min + EDGE_S && at <= max - EDGE_S;
const two = (value) => short(value, 3);
const CHARTS = [
  { title: 'chartRate', series: ['rate'], text: (v) => fixed(v, v < 100 ? 1 : 0) },
  { title: 'chartTime', series: ['p50', 'p95', 'p99'], text: two },
  { title: 'chartMisses', series: ['misses'], text: two },
  { title: 'chartFitness', series: ['fitness'], text: (v) => fixed(v, 3), floats: true },
  { title: 'chartFaults', series: ['faults', 'repairs'], text: two },
  { title: 'chartAlerts', series: ['alerts'], text: (v) => short(v, 3), whole: true },
  { title: 'chartMemory', series: ['memory'], text: bytes, floats: true, binary: true },
  { title: 'chartLanes', series: ['lag', 'queue'], text: two, whole: true },
];

/** The line of a column that may have gaps. uPlot knows null as a gap, which typed arrays have not: here it is NaN. */
function path(chart, seriesIndex, from, to) {
  const [xs, ys] = [chart.data[0], chart.data[seriesIndex]];
  const { x, y } = chart.scales;
  const { left, top, width, height } = chart.bbox;
  const [kx, ky] = [width / (x.max - x.min), height / (y.max - y.min)];
  const stroke = new Path2D();
  let isDown = false;
  for (let i = from; i <= to; i += 1) {
    if (Number.isNaN(ys[i])) {
      isDown = false;
      continue;
    }
    const [px, py] = [left + (xs[i] - x.min) * kx, top + height - (ys[i] - y.min) * ky];
    if (isDown) stroke.lineTo(px, py);
    else stroke.moveTo(px, py);
    isDown = true;
  }
  return { stroke, fill: null, clip: null, band: null, gaps: null, flags: 0 };
}

class Chart {
  #spec;
  #plot;
  #data;
  #isHeld = false;
  #names;
  #values = [];
  #title;
  #box = make('div', { className: 'plot' });
  #colours;

  constructor(spec, rings, colours) {
    this.#spec = spec;
    this.#colours = colours;
    this.#title = make('span', { className: 'chart-title' });
    const legend = make('span', { className: 'chart-values' });
    spec.series.forEach((name, index) => {
      const value = make('b', { className: 'num' });
      const label = make('span', { className: 'series-name' });
      label.dataset.t = `s_${name}`;
      legend.append(make('span', { className: `key k${index}` }, ...(spec.series.length > 1 ? [label] : []), value));
      this.#values.push(value);
    });
    this.node = make('figure', { className: 'chart' }, make('figcaption', {}, this.#title, legend), this.#box);
    this.#title.dataset.t = spec.title;
    this.#names = ['time', ...spec.series];
    this.#data = this.#names.map((name) => rings.column(name));
  }

  #options(width) {
    const { text } = this.#spec;
    const font = `11px ${styled('--font')}`;
    const axis = { stroke: () => this.#colours.muted, font, grid: { stroke: () => this.#colours.grid, width: 1 }, ticks: { show: false } };
    return {
      width,
      height: HEIGHT,
      padding: [6, 4, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: 'charts' }, drag: { setScale: false, x: false, y: false }, points: { show: false }, y: false },
      scales: {
        x: { time: true, range: (_, __, most) => [most - SPAN_S, most] },
        y: { range: () => this.#range() },
      },
      axes: [
        { ...axis, size: 20, gap: 3, space: 70, incrs: [15, 30, 60], values: (plot, splits) => splits.map((at) => (isInside(plot.scales.x, at) ? clock(at) : '')) },
        { ...axis, size: AXIS_WIDTH, gap: 4, space: 26, incrs: this.#incrs(), values: (_, splits) => splits.map(text) },
      ],
      series: [{}, ...this.#spec.series.map((_, index) => ({
        stroke: () => this.#colours.lines[index], width: 1.5, points: { show: false }, paths: path,
      }))],
      hooks: { setCursor: [(plot) => this.#tell(plot.cursor.idx)] },
    };
  }

  #incrs() {
    if (this.#spec.binary) return Array.from({ length: 40 }, (_, power) => 1024 * 2 ** power);
    const least = this.#spec.whole ? 0 : -4;
    return Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((step) => Number(`${step}e${power + least}`))).flat();
  }

  // All the data and not what uPlot finds: a NaN in front would make its range none.
  #range() {
    let [least, most] = [Infinity, -Infinity];
    for (let series = 1; series < this.#data.length; series += 1) {
      for (const value of this.#data[series]) {
        if (value < least) least = value;
        if (value > most) most = value;
      }
    }
    if (most < least) return [0, 1];
    if (!this.#spec.floats) return [0, Math.max(most * 1.12, this.#spec.whole ? 4 : most > 0 ? 0 : 1)];
    const pad = Math.max((most - least) * 0.15, Math.abs(most) * 0.01, 1e-3);
    return [Math.max(0, least - pad), most + pad];
  }

  #tell(index) {
    const at = index ?? this.#data[0].length - 1;
    this.#values.forEach((node, series) => setText(node, this.#spec.text(this.#data[series + 1][at])));
  }

  draw(rings) {
    const width = this.#box.clientWidth;
    if (width < 60) return;
    // The windows are the same ones as soon as the rings are full.
    if (!this.#isHeld) this.#names.forEach((name, i) => { this.#data[i] = rings.column(name); });
    if (!this.#plot) this.#plot = new uPlot(this.#options(width), this.#data, this.#box);
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT });
    this.#plot.setData(this.#data);
    this.#tell(this.#plot.cursor.idx);
  }

  /** Keeps what is shown while the rings go on. */
  hold() {
    this.#data = this.#data.map((column) => column.slice());
    this.#isHeld = true;
    this.#plot?.setData(this.#data);
  }

  release() { this.#isHeld = false; }
}

export class Charts {
  #charts;
  #colours = {};

  constructor(parent, rings) {
    this.recolour();
    this.#charts = CHARTS.map((spec) => new Chart(spec, rings, this.#colours));
    parent.append(...this.#charts.map((chart) => chart.node));
  }

  /** Takes the theme's colours over. */
  recolour() {
    Object.assign(this.#colours, {
      muted: styled('--muted'), grid: styled('--grid'), lines: ['--line-1', '--line-2', '--line-3'].map(styled),
    });
  }

  draw(rings) {
    for (const chart of this.#charts) chart.draw(rings);
  }

  hold() { this.#charts.forEach((chart) => chart.hold()); }

  release() { this.#charts.forEach((chart) => chart.release()); }
}
